/** What an instance is launched with, as far as its machine or its role shows it. */
export interface LaunchData {
  /** Decoded. */
  readonly userData: string | undefined;
  readonly instanceProfileArn: string | undefined;
}

/** Which template a group names, and which version: a number, `$Latest` or `$Default`. */
export interface LaunchTemplateName {
  readonly id: string | undefined;
  readonly version: string | undefined;
}

/** Launch templates with their versions, from 1 on. The first one is the default. */
export class LaunchTemplates {
  readonly #versions = new Map<string, LaunchData[]>();

  /** Adds a version, or makes the template with its first. */
  add(id: string, data: LaunchData): void {
    this.#versions.set(id, [...(this.#versions.get(id) ?? []), data]);
  }

  delete(id: string): void {
    this.#versions.delete(id);
  }

  /** Undefined for a template that is not of a stack: groups of tests name some. */
  find({ id, version = '$Default' }: LaunchTemplateName): LaunchData | undefined {
    const versions = this.#versions.get(id ?? '') ?? [];
    if (version === '$Latest') return versions.at(-1);
    return versions[version === '$Default' ? 0 : Number(version) - 1];
  }
}
