import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/**
 * What config/operating-systems.json says of each system. The file is a part of this program, so what is wrong in it stops the
 * synthesis and not a launch.
 */

/** A number as `VERSION_ID` of /etc/os-release has it. */
const version = z.string().regex(/^\d+(\.\d+)?$/, 'is not a version such as 9 or 22.04');
/** A value of `ID` in /etc/os-release, as os-release(5) allows it. */
const word = z.string().regex(/^[a-z0-9._-]+$/, 'is not a word of /etc/os-release');

/** The values of the tag `Operating_System`. */
const tag = z.enum(['AMAZON_LINUX', 'FEDORA', 'RHEL', 'CENTOS', 'UBUNTU', 'DEBIAN', 'SUSE', 'WINDOWS']);

const linux = z.strictObject({
  /** For people: messages and the README's matrix. */
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9. ]*$/, 'is not a name'),
  platform: z.literal('linux'),
  id: word,
  /** The oldest version with tools that can do what the scripts ask of them. */
  from: version,
  /** The first version that this entry does not hold for. */
  below: version.optional(),
  /** Words of `ID_LIKE` by which a system that has no entry of its own is taken for this one. */
  like: z.array(word).min(1).optional(),
  /** Whether systems that are taken for this one count their versions as it does. Otherwise theirs say nothing. */
  likeHasVersions: z.boolean().optional(),
  tags: z.array(tag).min(1),
  /** A list of `packages`. */
  packages: z.string(),
  packageManager: z.enum(['apt', 'dnf', 'yum', 'zypper']),
  /**
   * Where packages come from without internet. `s3-gateway`: from the vendor's bucket, through the S3 gateway endpoint, so a
   * launch can install them. `image`: they have to be in the image, unless the configuration names a repository.
   */
  packageSource: z.enum(['s3-gateway', 'image']),
  /** What puts sssd into NSS and PAM, and has home directories made. */
  logInTool: z.enum(['authselect', 'authconfig', 'pam-config', 'pam-auth-update']),
});

const windows = z.strictObject({
  name: z.string(),
  platform: z.literal('windows'),
  from: version,
  tags: z.array(tag).min(1),
});

const schema = z
  .strictObject({
    /** Package name → what proves that it is installed: a command, or a path whose `*` stands for the architecture. */
    packages: z.record(
      word,
      z.record(
        z.string().regex(/^[a-z0-9][a-z0-9.+-]*$/, 'is not the name of a package'),
        z.string().regex(/^(\/[\w.*+/-]+|[\w.+-]+)$/, 'is neither a command nor an absolute path'),
      ),
    ),
    /** In the order of their versions where several have the same `id`. */
    systems: z.array(z.discriminatedUnion('platform', [linux, windows])),
  })
  .refine(
    ({ packages, systems }) =>
      systems.every((system) => system.platform !== 'linux' || packages[system.packages] !== undefined),
    'A system names a list of packages that is not there.',
  );

export type OperatingSystems = Readonly<z.output<typeof schema>>;

/** @throws Error for a file that is not as described here */
export function parseOperatingSystems(text: string): OperatingSystems {
  const result = schema.safeParse(JSON.parse(text));
  if (result.success) return result.data;
  throw new Error(`config/operating-systems.json: ${z.prettifyError(result.error)}`);
}

export function operatingSystems(): OperatingSystems {
  const path = join(import.meta.dirname, '..', 'config', 'operating-systems.json');
  return parseOperatingSystems(readFileSync(path, 'utf8'));
}

/** Whether values of the list are in the shell's text, separated by commas; a shell's `read` needs a word where there is none. */
const listed = (values: readonly string[] = []): string => values.join(',') || '-';

/** One line for each Linux system, as documents/shared/system.sh reads it: the name is last, since it has spaces. */
export function linuxSystems({ systems }: OperatingSystems): string {
  return systems
    .flatMap((system) => (system.platform === 'linux' ? [system] : []))
    .map((system) =>
      [
        system.id,
        system.from,
        system.below ?? '-',
        listed(system.like),
        system.likeHasVersions === true ? 'versions' : '-',
        listed(system.tags),
        system.packages,
        system.packageManager,
        system.packageSource,
        system.logInTool,
        system.name,
      ].join(' '),
    )
    .join('\n');
}

/** One line for each list of packages that a Linux system names: `debian adcli=adcli sssd-common=sssd …`. */
export function linuxPackages({ packages }: OperatingSystems): string {
  return Object.entries(packages)
    .map(([name, needs]) => [name, ...Object.entries(needs).map((need) => need.join('='))].join(' '))
    .join('\n');
}
