import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Aws } from 'aws-cdk-lib';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import type { Construct } from 'constructs';

/** The bundled agent in a bucket of this Region. */
export interface AgentFile {
  readonly bucketName: string;
  readonly objectKey: string;
  /** SHA-256 of the file, in hexadecimal. A worker runs no other file. */
  readonly sha256: string;
}

export function sha256Of(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Where the package has the bundled agent. In a clone it is made by `npm run synth`, and lies elsewhere. */
const packagedAgent = join(import.meta.dirname, '../agent/agent.mjs');

/**
 * The bundled agent as an asset that `cdk deploy` uploads.
 * @param file the agent that the package brings, if no other is given
 * @throws Error when the file is not there
 */
export function agentAsset(scope: Construct, id: string, file = packagedAgent): AgentFile {
  if (!existsSync(file))
    throw new Error(`agent: ${file} is not there; in a clone, \`npm run synth\` makes it`);
  const asset = new Asset(scope, id, { path: file });
  return { bucketName: asset.s3BucketName, objectKey: asset.s3ObjectKey, sha256: sha256Of(file) };
}

export function agentBucketArn({ bucketName }: AgentFile): string {
  return `arn:${Aws.PARTITION}:s3:::${bucketName}`;
}

export function agentObjectArn(file: AgentFile): string {
  return `${agentBucketArn(file)}/${file.objectKey}`;
}
