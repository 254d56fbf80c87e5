/**
 * The names of AWS's endpoints: https://docs.aws.amazon.com/general/latest/gr/rande.html. A machine of the sandbox that is told so
 * finds the sandbox under them, by TLS, as a stranger's AWS CLI does.
 */
const suffix = '.amazonaws.com';

export function isAwsName(host: string): boolean {
  return host.endsWith(suffix);
}

/** The address that a caller used, by the name that it asked: AWS's own answer by TLS only. */
export function originOf(host: string): string {
  return `${isAwsName(host) ? 'https' : 'http'}://${host}`;
}

/** The name of a service's endpoint. */
export function nameOf(service: string, region: string): string {
  return `${service}.${region}${suffix}`;
}

/** The bucket in the name of an address in virtual-hosted style; undefined where a bucket would be in the path. */
export function bucketIn(host: string): string | undefined {
  return /^([a-z0-9.-]+)\.s3\.(?:dualstack\.)?[a-z0-9-]+\.amazonaws\.com$/.exec(host)?.[1];
}
