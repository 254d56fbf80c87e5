import { createHash } from 'node:crypto';
import { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { commandDocuments, type Kind } from '../documents/index.ts';
import type { Site } from './site.ts';

/** The documents that the worker runs, as its configuration calls them; an image is prepared by people and their builders. */
type Name = 'probe' | 'joinLinux' | 'joinWindows' | 'leave';

/** The version and content of a document that Run Command must find; it refuses any other. */
export interface PinnedDocument {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the content, in hexadecimal. */
  readonly hash: string;
}

/**
 * The command documents.
 *
 * Each name ends in the hash of the content. Changed content is a new document, so the version is always 1 and the hash is
 * known before anything is deployed. During an update the old documents stay until the old workers are gone.
 *
 * CloudFormation gets the content as text in its shortest form. The stored bytes are then the same whether CloudFormation
 * passes the text on or parses and serializes the JSON again.
 */
export class CommandDocuments extends Construct {
  readonly pinned: Readonly<Record<Name, PinnedDocument>>;
  /** The document that prepares an image. */
  readonly prepareImage: PinnedDocument;

  constructor(scope: Construct, id: string, site: Site) {
    super(scope, id);
    const pinned = commandDocuments().map(({ kind, content }): [Kind, PinnedDocument] => {
      const shortest = JSON.stringify(JSON.parse(content));
      const hash = createHash('sha256').update(shortest).digest('hex');
      const document = new CfnDocument(this, `${kind}${hash.slice(0, 12)}`, {
        name: `${site.deployment}-${kind}-${hash.slice(0, 12)}`,
        documentType: 'Command',
        documentFormat: 'JSON',
        targetType: '/AWS::EC2::Instance',
        content: {},
      });
      // CloudFormation accepts text here; the CDK's type does not.
      document.addPropertyOverride('Content', shortest);
      // cfn-lint can't check text here; a test gives it the same document as an object.
      document.addMetadata('cfn-lint', { config: { ignore_checks: ['E3051'] } });
      return [kind, { name: document.ref, version: '1', hash }];
    });
    const byKind = new Map(pinned);
    const of = (kind: Kind): PinnedDocument => {
      const document = byKind.get(kind);
      if (!document) throw new Error(`documents/ has no document ${kind}`);
      return document;
    };
    this.prepareImage = of('prepare-image');
    this.pinned = {
      probe: of('probe'),
      joinLinux: of('join-linux'),
      joinWindows: of('join-windows'),
      leave: of('leave'),
    };
  }
}
