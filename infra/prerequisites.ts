import {
  Aws,
  CfnCondition,
  CfnOutput,
  CfnParameter,
  Fn,
  RemovalPolicy,
  Stack,
  type StackProps,
  Validations,
} from 'aws-cdk-lib';
import { CfnManagedPolicy, CfnRole } from 'aws-cdk-lib/aws-iam';
import { CfnBucket, CfnBucketPolicy } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { demandMfa } from './mfa.ts';
import { fillPolicy, type PolicyValues } from './policy-file.ts';
import { deploymentPattern, pathPattern } from './site.ts';

/** Roles, users or whole accounts: who may take a role. */
const principals = '^arn:[a-z-]+:iam::[0-9]{12}:(root|(role|user)/[A-Za-z0-9_+=,.@/-]+)$';

/** Bytes that are sent and never put together: of an upload that broke off. */
const abandonedAfterDays = 7;

/**
 * What a deployment needs before it: the roles of its people, and the bucket that its agent is in. They outlive the stack, so they are a
 * stack of their own. The service control policies exempt roles of these names.
 *
 * The worker's administrator has no rights by this stack: those name resources of the other one, which gives them by the role's name.
 */
export class PrerequisitesStack extends Stack {
  readonly bucket: CfnBucket;
  readonly policies: readonly CfnManagedPolicy[];

  constructor(scope: Construct, id: string, props: StackProps = {}) {
    super(scope, id, { description: 'adjoin: roles and bucket, before the system', ...props });
    const parameter = (name: string, description: string, pattern: string, value?: string) =>
      new CfnParameter(this, name, {
        type: 'String',
        description,
        allowedPattern: pattern,
        ...(value !== undefined && { default: value }),
      });
    const people = (name: string, who: string): string[] =>
      new CfnParameter(this, name, {
        type: 'CommaDelimitedList',
        description: `Who may take the role of ${who}: ARNs of roles, users or accounts`,
        allowedPattern: principals,
      }).valueAsList;

    const deployment = parameter(
      'Deployment',
      "Name of the deployment, as the system's stack has it",
      deploymentPattern,
      'adjoin',
    ).valueAsString;
    const administrators = people('Administrators', 'the administrator, who deploys');
    const breakGlass = people('BreakGlass', 'emergencies');
    const workerAdministrators = people('WorkerAdministrators', 'whoever opens a shell on workers');
    const requireMfa = new CfnCondition(this, 'RequireMfaIs', {
      expression: Fn.conditionEquals(
        new CfnParameter(this, 'RequireMfa', {
          type: 'String',
          description:
            'Whoever takes a role shows MFA; false with IAM Identity Center and SAML, which have to require it at sign-on',
          allowedValues: ['true', 'false'],
          default: 'true',
        }),
        'true',
      ),
    });
    const rolePath = parameter('RolePath', "RolePath of the system's stack", pathPattern, '/').valueAsString;
    const boundary = parameter(
      'PermissionsBoundaryArn',
      'A permissions boundary for these roles; may be empty',
      '^$|^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+$',
      '',
    );
    const isBound = new CfnCondition(this, 'PermissionsBoundaryArnGiven', {
      expression: Fn.conditionNot(Fn.conditionEquals(boundary, '')),
    });

    const isMade = new CfnCondition(this, 'RolesMade', {
      expression: Fn.conditionEquals(
        new CfnParameter(this, 'Roles', {
          type: 'String',
          description:
            'Make the roles, or give those that are there their policies: roles are the same in all Regions, so one stack makes them',
          allowedValues: ['create', 'existing'],
          default: 'create',
        }),
        'create',
      ),
    });
    const roleArn = (name: string) =>
      `arn:${Aws.PARTITION}:iam::${Aws.ACCOUNT_ID}:role/${deployment}-${name}`;
    const bucketName = `${deployment}-agent-${Aws.ACCOUNT_ID}-${Aws.REGION}`;
    const values: PolicyValues = {
      Partition: Aws.PARTITION,
      Region: Aws.REGION,
      AccountId: Aws.ACCOUNT_ID,
      Deployment: deployment,
      RolePath: rolePath,
      AdministratorArn: roleArn('administrator'),
      BreakGlassRoleArn: roleArn('break-glass'),
      AgentBucketArn: `arn:${Aws.PARTITION}:s3:::${bucketName}`,
    };
    this.bucket = agentBucket(this, bucketName, values);

    const role = (id: string, name: string, description: string, trusted: string[]): CfnRole => {
      const made = new CfnRole(this, id, {
        roleName: `${deployment}-${name}`,
        description: `adjoin: ${description}`,
        assumeRolePolicyDocument: demandMfa(
          fillPolicy('trust-person', { ...values, TrustedArns: trusted }),
          requireMfa,
        ),
        permissionsBoundary: Fn.conditionIf(isBound.logicalId, boundary, Aws.NO_VALUE).toString(),
      });
      made.cfnOptions.condition = isMade;
      return made;
    };
    const administrator = role(
      'Administrator',
      'administrator',
      'deploys, attaches, puts the secret',
      administrators,
    );
    const glass = role('BreakGlassRole', 'break-glass', 'emergencies', breakGlass);
    role('WorkerAdministrator', 'worker-administrator', 'opens a shell on workers', workerAdministrators);

    const policy = (id: string, file: string, description: string, of: CfnRole): CfnManagedPolicy => {
      return new CfnManagedPolicy(this, id, {
        // The Region is in it: each Region of a deployment has parts of its own, and one role for all.
        managedPolicyName: `${deployment}-${Aws.REGION}-${file}`,
        description: `adjoin: ${description}`,
        policyDocument: fillPolicy(file, values),
        roles: [Fn.conditionIf(isMade.logicalId, of.ref, String(of.roleName)).toString()],
      });
    };
    this.policies = [
      policy('AdministratorParts', 'administrator-parts', 'what the administrator makes', administrator),
      policy('AdministratorWorkers', 'administrator-workers', 'workers and their network', administrator),
      policy('AdministratorRoles', 'administrator-roles', 'roles and policies of the system', administrator),
      policy('BreakGlassPolicy', 'break-glass', 'repairs policies that lock everyone out', glass),
    ];

    Validations.of(this).acknowledge({
      id: 'CloudFormation-Validate::W1030',
      reason: 'PermissionsBoundaryArn is empty where a condition leaves it unused',
    });
    const output = (name: string, value: string, description: string) =>
      new CfnOutput(this, name, { value, description });
    output('AgentBucket', this.bucket.ref, "The system's parameter AgentBucket");
    output('AdministratorArns', roleArn('administrator'), "The system's parameter AdministratorArns");
    output('BreakGlassRoleArn', roleArn('break-glass'), "The system's parameter BreakGlassRoleArn");
    output(
      'WorkerAdministratorRole',
      `${deployment}-worker-administrator`,
      "The system's parameter WorkerAdministratorRole",
    );
  }
}

/**
 * The bucket of the agent's file. Workers fetch it when they boot, so it must be there as long as there are workers: versions are kept, and
 * nobody but break-glass deletes an agent, or a version of one.
 */
function agentBucket(scope: Construct, bucketName: string, values: PolicyValues): CfnBucket {
  const bucket = new CfnBucket(scope, 'AgentBucketItself', {
    bucketName,
    versioningConfiguration: { status: 'Enabled' },
    // With a key of KMS, workers would need it.
    bucketEncryption: {
      serverSideEncryptionConfiguration: [{ serverSideEncryptionByDefault: { sseAlgorithm: 'AES256' } }],
    },
    publicAccessBlockConfiguration: {
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    },
    ownershipControls: { rules: [{ objectOwnership: 'BucketOwnerEnforced' }] },
    lifecycleConfiguration: {
      rules: [
        {
          id: 'abandoned-uploads',
          status: 'Enabled',
          abortIncompleteMultipartUpload: { daysAfterInitiation: abandonedAfterDays },
        },
      ],
    },
  });
  bucket.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
  const policy = new CfnBucketPolicy(scope, 'AgentBucketPolicy', {
    bucket: bucket.ref,
    policyDocument: fillPolicy('agent-bucket', { ...values, AgentBucketArn: bucket.attrArn }),
  });
  policy.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
  return bucket;
}
