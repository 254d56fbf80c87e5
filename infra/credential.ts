import { RemovalPolicy } from 'aws-cdk-lib';
import { CfnResourcePolicy, CfnSecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { key } from './key.ts';
import { fillPolicy } from './policy-file.ts';
import type { Site } from './site.ts';

/**
 * The service account's secret. It is made without a value, so that no password is ever in a template. An administrator
 * writes the value afterwards, as JSON with the keys `domain_name`, `domain_user`, `domain_password` and `directory_ou`.
 * Until then, launches wait.
 */
export class Credential extends Construct {
  readonly secret: CfnSecret;
  readonly key: CfnKey;
  readonly #site: Site;

  constructor(scope: Construct, id: string, site: Site) {
    super(scope, id);
    this.#site = site;
    this.key = key(this, 'Key', site, 'secret-key', 'adjoin: seals the service account');
    this.secret = new CfnSecret(this, 'Secret', {
      name: `${site.deployment}/service-account`,
      description: 'adjoin: domain_name, domain_user, domain_password, directory_ou',
      kmsKeyId: this.key.attrKeyId,
    });
    this.secret.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
  }

  /** Limits reading the secret to the worker's role, through one endpoint of Secrets Manager. */
  lock(endpointId: string): void {
    const policy = new CfnResourcePolicy(this, 'Policy', {
      secretId: this.secret.ref,
      blockPublicPolicy: true,
      resourcePolicy: fillPolicy('secret', { ...this.#site.policyValues, SecretEndpointId: endpointId }),
    });
    // It stays with the secret: without it, whoever may read secrets could read this one.
    policy.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
  }
}
