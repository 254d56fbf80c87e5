import { ServiceFailure } from '../../cloud/failure.ts';
import { enforce } from '../../cloud/limits/limit.ts';
import type { Buckets } from '../../cloud/s3/buckets.ts';
import { templateQuotas } from '../limits/template-quotas.ts';

/** Where a request says that its template is. */
export interface TemplateSource {
  readonly TemplateBody?: string | undefined;
  readonly TemplateURL?: string | undefined;
}

/** An object that a template's address names, with the bucket in the path or in the host's name. */
export interface ObjectAddress {
  readonly bucket: string;
  readonly key: string;
}

const invalidUrl = 'S3 error: Domain name specified is not a valid S3 domain';

/**
 * @param origin the address of the sandbox, which stands for that of S3
 * @throws ServiceFailure for an address that is not S3's
 */
export function addressOf(url: string, origin: string): ObjectAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined) throw new ServiceFailure('ValidationError', invalidUrl);
  const path = decodeURIComponent(parsed.pathname).slice(1);
  const [, inHost] = /^(?:([a-z0-9.-]+)\.)?s3[.-][a-z0-9-]+\.amazonaws\.com$/.exec(parsed.host) ?? [];
  const isHere = parsed.origin === origin;
  if (!isHere && !/(^|\.)s3[.-][a-z0-9-]+\.amazonaws\.com$/.test(parsed.host))
    throw new ServiceFailure('ValidationError', invalidUrl);
  if (inHost !== undefined) return { bucket: inHost, key: path };
  const slash = path.indexOf('/');
  return { bucket: path.slice(0, slash), key: path.slice(slash + 1) };
}

/** @throws ServiceFailure for a template that is too long for its way, in two places, or in none */
export function templateOf(source: TemplateSource, origin: string, buckets: Buckets): string {
  const { TemplateBody, TemplateURL } = source;
  if ((TemplateBody === undefined) === (TemplateURL === undefined))
    throw new ServiceFailure('ValidationError', 'Either Template URL or Template Body must be specified.');
  if (TemplateBody !== undefined) {
    enforce(templateQuotas.body, TemplateBody);
    return TemplateBody;
  }
  const { bucket, key } = addressOf(TemplateURL ?? '', origin);
  try {
    return buckets.get(bucket, key).body.toString();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ServiceFailure('ValidationError', `S3 error: ${reason}`, 400);
  }
}
