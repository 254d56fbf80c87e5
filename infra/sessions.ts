import { Aws, type CfnCondition, Fn, type IResolvable, RemovalPolicy, Token } from 'aws-cdk-lib';
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnBucket, CfnBucketPolicy } from 'aws-cdk-lib/aws-s3';
import { CfnDocument } from 'aws-cdk-lib/aws-ssm';
import type { CfnManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import type { Records } from './ecs-exec.ts';
import { key } from './key.ts';
import { filePolicy } from './managed-policy.ts';
import { fillPolicy, type PolicyValues } from './policy-file.ts';
import type { Site } from './site.ts';

export interface SessionsProps {
  readonly site: Site;
  /** Networks, in CIDR notation, from which operators may start sessions. */
  readonly operatorNetworks: string[];
  /** Operators start sessions only after this time (ISO 8601). @default 2000-01-01T00:00:00Z */
  readonly notBefore?: string;
  /** Operators start sessions only before this time (ISO 8601). @default 2100-01-01T00:00:00Z */
  readonly notAfter?: string;
  /** Operators reach only resources with the tag `adjoin:sessions` and this value. @default allowed */
  readonly tagValue?: string;
  /**
   * The Linux user that a session runs as. It must exist, because the SSM agent does not create a user that is configured.
   * @default ssm-user, which the SSM agent creates with the first session
   */
  readonly runAsUser?: string;
  /**
   * Nobody can delete a record for so many days, 1 to 365: S3's Object Lock in compliance mode.
   * @default - none: the bucket's policy alone keeps records
   */
  readonly lockRecords?: { readonly days: number; readonly condition?: CfnCondition };
  /** The one host that the database document forwards to. @default localhost, the node itself */
  readonly databaseHost?: string;
  /** The one port that the database document forwards to. @default 5432 */
  readonly databasePort?: string;
}

/** Minutes without input until a session ends: enough to read a page of a manual. Session Manager allows 1 to 60. */
const idleSessionTimeout = '15';
/** Minutes until any session ends, a working day: a longer one was forgotten. Session Manager allows 1 to 1,440. */
const maxSessionDuration = '480';
/** Days that records of sessions are kept: a year, as audits ask for. */
const retentionDays = 365;
/** Of the lock: in this mode nobody takes it off, the account's root included. */
const mode = 'COMPLIANCE';

/**
 * Session Manager instead of SSH and RDP: the session documents, the records, and who may start a session.
 *
 * Key, log group, bucket and preferences are made together. If they contradict each other ("encryption is not set up on the
 * selected CloudWatch Logs log group"), no session can be started any more.
 */
export class Sessions extends Construct {
  readonly key: CfnKey;
  readonly logGroup: CfnLogGroup;
  readonly bucket: CfnBucket;
  /** For the nodes' instance profiles. */
  readonly nodePolicy: CfnManagedPolicy;
  /** For the roles of tasks that operators reach with ECS Exec. */
  readonly taskPolicy: CfnManagedPolicy;
  /** For people, by purpose. */
  readonly operatorPolicies: Readonly<Record<'session' | 'portForwarding' | 'ecsExec', CfnManagedPolicy>>;
  /** For the one role that may open a shell on the worker. */
  readonly workerAdministratorPolicy: CfnManagedPolicy;
  /** Where sessions are recorded, for clusters that record ECS Exec. */
  readonly records: Records;
  /** Values for the placeholders in policies. */
  readonly policyValues: PolicyValues;

  constructor(scope: Construct, id: string, props: SessionsProps) {
    super(scope, id);
    const { site } = props;
    this.key = key(this, 'Key', site, 'session-key', 'adjoin: seals sessions and their records');
    this.logGroup = new CfnLogGroup(this, 'LogGroup', {
      logGroupName: `/adjoin/${site.deployment}/sessions`,
      kmsKeyId: this.key.attrArn,
      retentionInDays: retentionDays,
    });
    this.logGroup.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
    this.bucket = recordBucket(this, site, this.key, props.lockRecords);
    this.records = {
      keyArn: this.key.attrArn,
      logGroupName: this.logGroup.ref,
      bucketName: this.bucket.ref,
      locked: props.lockRecords?.condition ?? props.lockRecords !== undefined,
    };

    const documents = this.#documents(props);
    this.policyValues = {
      ...site.policyValues,
      SessionKeyArn: this.key.attrArn,
      SessionLogGroupArn: `arn:${Aws.PARTITION}:logs:${Aws.REGION}:${Aws.ACCOUNT_ID}:log-group:${this.logGroup.ref}`,
      SessionBucketArn: this.bucket.attrArn,
      SessionDocumentArn: documentArn(documents.session),
      RdpDocumentArn: documentArn(documents.rdp),
      DatabaseDocumentArn: documentArn(documents.database),
      OperatorNetworks: props.operatorNetworks,
      SessionsNotBefore: props.notBefore ?? '2000-01-01T00:00:00Z',
      SessionsNotAfter: props.notAfter ?? '2100-01-01T00:00:00Z',
      SessionTagValue: props.tagValue ?? 'allowed',
    };
    const recordsPolicy = new CfnBucketPolicy(this, 'RecordsPolicy', {
      bucket: this.bucket.ref,
      policyDocument: fillPolicy('session-bucket', this.policyValues),
    });
    // It stays with the records that it keeps.
    recordsPolicy.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);

    const policy = (policyId: string, file: string, description: string): CfnManagedPolicy =>
      filePolicy(this, policyId, {
        file,
        description,
        globalName: site.globalName,
        values: this.policyValues,
        requireMfa: site.requireMfa ?? true,
      });
    this.nodePolicy = policy('NodePolicy', 'node', 'adjoin: what a managed node needs');
    this.taskPolicy = policy('TaskPolicy', 'ecs-exec-task', 'adjoin: what a task reached by ECS Exec needs');
    this.operatorPolicies = {
      session: policy('OperatorPolicy', 'operator-session', 'adjoin: sessions on tagged nodes'),
      portForwarding: policy(
        'ForwardingPolicy',
        'operator-port-forwarding',
        'adjoin: RDP and database through sessions',
      ),
      ecsExec: policy('EcsExecPolicy', 'operator-ecs-exec', 'adjoin: ECS Exec in tagged tasks'),
    };
    this.workerAdministratorPolicy = policy(
      'WorkerAdministratorPolicy',
      'worker-administrator',
      'adjoin: a shell on the worker, for one role',
    );
  }

  #documents({ site, runAsUser, databaseHost, databasePort }: SessionsProps) {
    const document = (documentId: string, name: string, content: object): CfnDocument =>
      new CfnDocument(this, documentId, {
        name: `${site.deployment}-${name}`,
        documentType: 'Session',
        documentFormat: 'JSON',
        updateMethod: 'NewVersion',
        content,
      });
    return {
      session: document('SessionDocument', 'session', {
        schemaVersion: '1.0',
        description: 'adjoin: a recorded session',
        sessionType: 'Standard_Stream',
        inputs: {
          kmsKeyId: this.key.attrKeyId,
          cloudWatchLogGroupName: this.logGroup.ref,
          cloudWatchEncryptionEnabled: true,
          cloudWatchStreamingEnabled: true,
          s3BucketName: this.bucket.ref,
          s3EncryptionEnabled: true,
          idleSessionTimeout,
          maxSessionDuration,
          ...(runAsUser === undefined
            ? { runAsEnabled: false }
            : { runAsEnabled: true, runAsDefaultUser: runAsUser }),
        },
      }),
      rdp: document('RdpDocument', 'forward-rdp', {
        schemaVersion: '1.0',
        description: 'adjoin: forwards one local port to RDP on the node, and nothing else',
        sessionType: 'Port',
        parameters: { localPortNumber },
        properties: {
          portNumber: '3389',
          type: 'LocalPortForwarding',
          localPortNumber: '{{ localPortNumber }}',
        },
      }),
      database: document('DatabaseDocument', 'forward-database', {
        schemaVersion: '1.0',
        description: 'adjoin: forwards one local port to one database, and nothing else',
        sessionType: 'Port',
        parameters: { localPortNumber },
        properties: {
          portNumber: databasePort ?? '5432',
          host: databaseHost ?? 'localhost',
          type: 'LocalPortForwarding',
          localPortNumber: '{{ localPortNumber }}',
        },
      }),
    };
  }
}

/** The only parameter that operators can choose: the port on their own machine. */
const localPortNumber = {
  type: 'String',
  description: 'Port on your machine; 0 takes a free one',
  default: '0',
  allowedPattern: '^([0-9]{1,5})$',
};

function documentArn(document: CfnDocument): string {
  return `arn:${Aws.PARTITION}:ssm:${Aws.REGION}:${Aws.ACCOUNT_ID}:document/${document.ref}`;
}

function recordBucket(
  scope: Construct,
  site: Site,
  sessionKey: CfnKey,
  lock: SessionsProps['lockRecords'],
): CfnBucket {
  const bucket = new CfnBucket(scope, 'Records', {
    bucketName: `${site.deployment}-sessions-${Aws.ACCOUNT_ID}-${Aws.REGION}`,
    bucketEncryption: {
      serverSideEncryptionConfiguration: [
        {
          bucketKeyEnabled: true,
          serverSideEncryptionByDefault: { sseAlgorithm: 'aws:kms', kmsMasterKeyId: sessionKey.attrArn },
        },
      ],
    },
    publicAccessBlockConfiguration: {
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    },
    ownershipControls: { rules: [{ objectOwnership: 'BucketOwnerEnforced' }] },
    versioningConfiguration: { status: 'Enabled' },
    ...(lock && { objectLockConfiguration: lockOf(lock) }),
    lifecycleConfiguration: {
      rules: [
        {
          id: 'KeepAYear',
          status: 'Enabled',
          expirationInDays: retentionDays,
          noncurrentVersionExpiration: { noncurrentDays: retentionDays },
        },
      ],
    },
  });
  bucket.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
  return bucket;
}

/**
 * The property `ObjectLockEnabled` stays away: the lock also has to come to a bucket that is there, and must not replace it.
 * @throws Error for a lock that outlives the records, which would leave them undeletable, or for none
 */
function lockOf({
  days,
  condition,
}: NonNullable<SessionsProps['lockRecords']>): CfnBucket.ObjectLockConfigurationProperty | IResolvable {
  if (!Token.isUnresolved(days) && !(Number.isInteger(days) && days >= 1 && days <= retentionDays))
    throw new Error(`sessionRecordLock: ${days} days; it must be 1 to ${retentionDays} whole days`);
  if (!condition) return { objectLockEnabled: 'Enabled', rule: { defaultRetention: { mode, days } } };
  // Inside of a function, names are those of the template.
  const lock = { ObjectLockEnabled: 'Enabled', Rule: { DefaultRetention: { Mode: mode, Days: days } } };
  return Fn.conditionIf(condition.logicalId, lock, Aws.NO_VALUE);
}
