/** What concerns the whole account, so that a policy can only deny it altogether. */
import { region, vpcId } from '../stack.ts';
import { looking, type Asset, type Verdict } from './asset.ts';

const wholeAccount: readonly Verdict[] = [
  ...[
    'autoscaling',
    'cloudformation',
    'cloudtrail',
    'cloudwatch',
    'dynamodb',
    'ec2',
    'iam',
    'kms',
    'logs',
    'route53',
    'route53profiles',
    'route53resolver',
    's3',
    'sns',
    'sqs',
    'ssm',
    'ssm-guiconnect',
  ].map((service) => looking(service)),
  {
    actions: ['secretsmanager:BatchGetSecretValue'],
    because: 'It needs GetSecretValue for each secret, which is denied.',
  },
  { actions: ['secretsmanager:GetRandomPassword'], because: 'It makes a password of nobody.' },
  {
    actions: ['CreateResource', 'UpdateResource', 'DeleteResource', 'CancelResourceRequest'].map(
      (action) => `cloudformation:${action}`,
    ),
    because: 'Cloud Control calls the service with the rights of its caller, which the same guards deny.',
  },
  {
    actions: ['cloudformation:CreateStackSet', 'cloudformation:*OrganizationsAccess'],
    because:
      'A stack set acts as a role that its maker must be able to pass: see "roles without the policies" in policies/README.md.',
  },
  {
    actions: [
      '*Type',
      '*TypeDefaultVersion',
      '*TypeConfiguration',
      '*TypeConfigurations',
      '*GeneratedTemplate',
      'CreateUploadBucket',
      'EstimateTemplateCost',
      'RegisterPublisher',
      'StartResourceScan',
      'ValidateTemplate',
    ].map((action) => `cloudformation:${action}`),
    because: 'It is about templates and types, and about no stack.',
  },
  {
    actions: ['*gisterOrganizationDelegatedAdmin', 'LookupEvents', 'SearchSampleQueries', '*Import'].map(
      (action) => `cloudtrail:${action}`,
    ),
    because: 'It looks, copies, or names an administrator of trails, and stops no trail.',
  },
  {
    actions: ['cloudwatch:*'],
    because: 'It is about metrics, dashboards and queries; each alarm is an asset of its own.',
  },
  {
    actions: ['dynamodb:PurchaseReservedCapacityOfferings', 'dynamodb:UpdateAbacStatus'],
    because: 'It is about prices, or about tags, and the guard goes by the name of the table.',
  },
  {
    actions: ['dynamodb:InjectError', 'ec2:InjectApiError'],
    because: 'Fault Injection Service calls it as a role that its user must be able to pass.',
  },
  {
    actions: ['autoscaling:PutAccountSetting', 'ec2:ModifyIdFormat', 'ec2:ModifyIdentityIdFormat'],
    because: 'It sets how later requests are written or answered, and changes no group and no instance.',
  },
  {
    actions: [
      '*AllowedImagesSettings',
      '*EbsDefaultKmsKeyId',
      'ModifyVpcBlockPublicAccessOptions',
      'ModifyAccountVpcEncryptionControl',
      '*IpamOrganizationAdminAccount',
    ].map((action) => `ec2:${action}`),
    because:
      'It can keep new instances of the whole account from starting or from the Internet; running workers go on, and the alarm few-workers tells.',
  },
  {
    actions: ['ec2:EnableSerialConsoleAccess', 'ec2:DisableSerialConsoleAccess'],
    because: 'Sending a key to the serial console of a worker is denied.',
  },
  {
    actions: ['ec2:*EbsEncryptionByDefault', 'ec2:ModifyInstanceMetadataDefaults'],
    because: "The workers' launch template says both itself.",
  },
  {
    actions: ['ec2:BundleInstance', 'ec2:CancelBundleTask', 'ec2:ConfirmProductInstance'],
    because: 'It is for Windows instances with an instance store, or for products; a worker is neither.',
  },
  {
    actions: [
      '*ByoipCidr',
      '*IpamByoasn',
      'MoveAddressToVpc',
      'RestoreAddressToClassic',
      '*TrunkInterface',
      'CreateDefaultSubnet',
      'CreateDefaultVpc',
      'DeleteSubnetCidrReservation',
      '*ReservedInstances*',
      '*ScheduledInstances',
      '*SpotDatafeedSubscription',
      '*CapacityManager*',
      '*BlockPublicAccess',
      'CancelConversionTask',
      '*InstanceEventNotificationAttributes',
      '*NetworkPerformanceMetricSubscription',
      'EnableReachabilityAnalyzerOrganizationSharing',
      'ExportTransitGatewayRoutes',
      'ModifyAvailabilityZoneGroup',
      'ModifyDefaultCreditSpecification',
      'ModifyManagedResourceVisibility',
      'StartDeclarativePoliciesReport',
    ].map((action) => `ec2:${action}`),
    because: 'It is about addresses, prices, images, reports or other networks.',
  },
  {
    actions: ['ec2messages:*', 'ssmmessages:*'],
    because:
      "Agents of nodes and tasks call it as their machine's role; a guard on it would cut them off. Listed in docs/security.md as not stopped.",
  },
  {
    actions: ['PutPartnerEvents', 'PutPermission', 'RemovePermission', 'TestEventPattern'].map(
      (action) => `events:${action}`,
    ),
    because: 'No sender but AWS can write events of the source aws.autoscaling.',
  },
  {
    actions: [
      '*AccountAlias',
      '*AccountPasswordPolicy',
      '*CloudFrontPublicKey',
      '*AccountName',
      '*WebIdentity*',
      'DisableOrganizationsRoot*',
      'EnableOrganizationsRoot*',
      'PutAccountProperties',
      'UpdateAccountEmailAddress',
      'SetS*',
      'GenerateCredentialReport',
      'SimulateCustomPolicy',
    ].map((action) => `iam:${action}`),
    because: 'It is about the account and its people, and about no right on the system.',
  },
  {
    actions: ['CreateKey', '*CustomKeyStore', 'GenerateRandom'].map((action) => `kms:${action}`),
    because: "It makes other keys; the system's are in no custom key store.",
  },
  {
    actions: ['logs:PutResourcePolicy', 'logs:DeleteResourcePolicy'],
    because: 'Others could add lines to a log by it, and take none away.',
  },
  {
    actions: [
      '*LogDelivery',
      '*S3TableIntegration',
      '*Integration',
      '*IndexPolicy',
      '*PipelineRule',
      '*QueryDefinition',
      '*Task',
      'PutStorageTierPolicy',
      'Link',
      'CallWithBearerToken',
      'Stop*',
      'Test*',
    ].map((action) => `logs:${action}`),
    because: "It is about other logs' delivery, about queries and their speed, and changes no line of a log.",
  },
  {
    actions: ['CidrCollection', 'HealthCheck', 'ReusableDelegationSet', 'TrafficPolicy'].map(
      (thing) => `route53:Create${thing}`,
    ),
    because: 'It changes no answer until a zone uses it.',
  },
  { actions: ['route53:TestDNSAnswer'], because: 'It asks.' },
  { actions: ['route53profiles:CreateProfile'], because: 'It changes no answer until a VPC uses it.' },
  {
    actions: ['s3:PutAccountPublicAccessBlock', 's3:PutAccessPointPublicAccessBlock'],
    because: 'No policy makes the buckets public, and their policies are denied.',
  },
  {
    actions: ['s3:CreateJob', 's3:CreateStorageLensGroup', 's3:PutStorageLensConfiguration'],
    because: 'A job acts as a role that its maker must be able to pass; the others count.',
  },
  { actions: ['sns:*'], because: 'It is about telephones and mobile applications.' },
  {
    actions: ['ssm:CreateMaintenanceWindow'],
    because: 'A window without tasks does nothing, and tasks are denied.',
  },
  {
    actions: ['CreateActivation', 'DeleteActivation', 'RegisterManagedInstance'].map((each) => `ssm:${each}`),
    because: 'It registers machines outside of EC2 under IDs of their own.',
  },
  {
    actions: [
      'CreateOpsItem',
      'CreateOpsMetadata',
      'CreatePatchBaseline',
      'DeleteInventory',
      'PutInventory',
      'PutConfigurePackageResult',
      'StartExecutionPreview',
      'ExecuteAPI',
    ].map((action) => `ssm:${action}`),
    because: 'It keeps records about nodes, and runs nothing on them.',
  },
  {
    actions: ['ssm-guiconnect:*'],
    because: 'It needs StartSession on the node, and a desktop, which a worker does not have.',
  },
  {
    actions: ['sts:*'],
    because: "It answers about or for the caller's own identity; a role is an asset of its own.",
  },
];

export const account = (): Asset[] => [
  {
    name: 'account as a whole',
    arns: Object.fromEntries(
      [
        'autoscaling',
        'cloudformation',
        'cloudtrail',
        'cloudwatch',
        'dynamodb',
        'ec2',
        'ec2messages',
        'events',
        'iam',
        'kms',
        'logs',
        'route53',
        'route53profiles',
        'route53resolver',
        's3',
        'secretsmanager',
        'sns',
        'sqs',
        'ssm',
        'ssm-guiconnect',
        'ssmmessages',
        'sts',
      ].map((service) => [`${service}:*`, '*']),
    ),
    context: { 'route53:VPCs': [`VPCId=${vpcId},VPCRegion=${region}`] },
    allowed: wholeAccount,
  },
];
