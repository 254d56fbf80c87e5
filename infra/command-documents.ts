import { createHash } from 'node:crypto';
import { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import { commandDocuments } from '../documents/index.ts';
import type { Purpose as AnyPurpose } from '../documents/parameters.ts';
import type { Site } from './site.ts';

/** What the worker runs documents for; an image is prepared by people and their builders. */
type Purpose = Exclude<AnyPurpose, 'prepare-image'>;

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
  readonly pinned: Readonly<Record<Purpose, PinnedDocument>>;
  /** The document that prepares an image. */
  readonly prepareImage: PinnedDocument;

  constructor(scope: Construct, id: string, site: Site) {
    super(scope, id);
    const pinned = commandDocuments().map(({ purpose, content }): [AnyPurpose, PinnedDocument] => {
      const shortest = JSON.stringify(JSON.parse(content));
      const hash = createHash('sha256').update(shortest).digest('hex');
      const document = new CfnDocument(this, `${purpose}${hash.slice(0, 12)}`, {
        name: `${site.deployment}-${purpose}-${hash.slice(0, 12)}`,
        documentType: 'Command',
        documentFormat: 'JSON',
        targetType: '/AWS::EC2::Instance',
        content: {},
      });
      // CloudFormation accepts text here; the CDK's type does not.
      document.addPropertyOverride('Content', shortest);
      // cfn-lint can't check text here; a test gives it the same document as an object.
      document.addMetadata('cfn-lint', { config: { ignore_checks: ['E3051'] } });
      return [purpose, { name: document.ref, version: '1', hash }];
    });
    const byPurpose = new Map(pinned);
    const of = (purpose: AnyPurpose): PinnedDocument => {
      const document = byPurpose.get(purpose);
      if (!document) throw new Error(`documents/ has no document to ${purpose}`);
      return document;
    };
    this.prepareImage = of('prepare-image');
    this.pinned = { probe: of('probe'), join: of('join'), leave: of('leave') };
  }
}
