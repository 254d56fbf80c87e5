import { ServiceFailure } from '../failure.ts';
import { enforce } from '../limits/limit.ts';
import { documentName, documentPrefix } from '../limits/ssm.ts';
import type { Timers } from '../timers.ts';
import {
  contentHash,
  parseDocument,
  parseSessionDocument,
  type CommandDocument,
  type DocumentType,
} from './document.ts';

export interface DocumentVersion {
  readonly version: string;
  readonly versionName: string | undefined;
  readonly content: string;
  readonly hash: string;
  readonly createdAt: Date;
  readonly document: CommandDocument;
}

export interface StoredDocument {
  readonly name: string;
  readonly type: DocumentType;
  readonly owner: string;
  readonly versions: DocumentVersion[];
  defaultVersion: string;
}

/** What every account has without creating it. */
const runShellScript = JSON.stringify({
  schemaVersion: '2.2',
  description: 'Run a shell script or specify the commands to run.',
  parameters: {
    commands: { type: 'StringList', minItems: 1 },
    executionTimeout: { type: 'String', default: '3600', allowedPattern: '^[1-9][0-9]{0,5}$' },
  },
  mainSteps: [
    {
      action: 'aws:runShellScript',
      name: 'aws:runShellScript',
      inputs: { runCommand: ['{{ commands }}'], timeoutSeconds: '{{ executionTimeout }}' },
    },
  ],
});

export class Documents {
  readonly #documents = new Map<string, StoredDocument>();
  readonly #accountId: string;
  readonly #timers: Timers;

  constructor(accountId: string, timers: Timers) {
    this.#accountId = accountId;
    this.#timers = timers;
    const builtIn = this.#version('Command', '1', runShellScript, undefined);
    const name = 'AWS-RunShellScript';
    this.#documents.set(name, {
      name,
      type: 'Command',
      owner: 'Amazon',
      versions: [builtIn],
      defaultVersion: '1',
    });
  }

  all(): StoredDocument[] {
    return [...this.#documents.values()];
  }

  /** By name or ARN. */
  get(name: string | undefined): StoredDocument {
    const document = this.#documents.get((name ?? '').replace(/^arn:aws:ssm:[^:]*:[^:]*:document\//, ''));
    if (document) return document;
    throw new ServiceFailure('InvalidDocument', `Document with name ${name} does not exist.`);
  }

  version(stored: StoredDocument, wanted: string | undefined): DocumentVersion {
    const number =
      wanted === undefined || wanted === '$DEFAULT'
        ? stored.defaultVersion
        : wanted === '$LATEST'
          ? stored.versions.at(-1)?.version
          : wanted;
    const found = stored.versions.find((each) => each.version === number);
    if (found) return found;
    throw new ServiceFailure(
      'InvalidDocumentVersion',
      `The document version ${wanted} is not valid or does not exist.`,
    );
  }

  create(
    name: string,
    content: string,
    versionName: string | undefined,
    type: DocumentType = 'Command',
  ): StoredDocument {
    enforce(documentName, name);
    enforce(documentPrefix, name);
    if (this.#documents.has(name)) {
      throw new ServiceFailure('DocumentAlreadyExists', `Document with name ${name} already exists.`);
    }
    const stored = {
      name,
      type,
      owner: this.#accountId,
      versions: [this.#version(type, '1', content, versionName)],
      defaultVersion: '1',
    };
    this.#documents.set(name, stored);
    return stored;
  }

  update(stored: StoredDocument, content: string, versionName: string | undefined): DocumentVersion {
    this.#refuseAmazons(stored);
    const hash = contentHash(content);
    if (stored.versions.at(-1)?.hash === hash) {
      throw new ServiceFailure(
        'DuplicateDocumentContent',
        'The content of the association document matches another version.',
      );
    }
    const version = this.#version(
      stored.type,
      String(Number(stored.versions.at(-1)?.version ?? 0) + 1),
      content,
      versionName,
    );
    stored.versions.push(version);
    return version;
  }

  delete(stored: StoredDocument): void {
    this.#refuseAmazons(stored);
    this.#documents.delete(stored.name);
  }

  #refuseAmazons(stored: StoredDocument): void {
    if (stored.owner !== 'Amazon') return;
    throw new ServiceFailure('InvalidDocumentOperation', 'You cannot change a document owned by Amazon.');
  }

  #version(
    type: DocumentType,
    version: string,
    content: string,
    versionName: string | undefined,
  ): DocumentVersion {
    const document = type === 'Session' ? parseSessionDocument(content) : parseDocument(content);
    return {
      version,
      versionName,
      content,
      hash: contentHash(content),
      createdAt: this.#timers.date(),
      document,
    };
  }
}
