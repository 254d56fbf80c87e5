/** EC2: what starts a machine, and who reaches it. */
import type { Limit } from './limit.ts';

export const userData: Limit = {
  what: 'bytes of user data, before base64',
  most: 16_384,
  source: {
    title: 'Run commands when you launch an EC2 instance with user data input',
    url: 'https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html',
  },
  refusal: {
    code: 'InvalidUserData.Malformed',
    words: () => 'User data is limited to 16384 bytes.',
    seen: {
      title: 'User data exceeds 16kb (github-aws-runners/terraform-aws-github-runner, issue 3700)',
      url: 'https://github.com/github-aws-runners/terraform-aws-github-runner/issues/3700',
    },
  },
};

/** Of one direction. A rule that names a prefix list counts as the list's weight: 1 for those of S3 and DynamoDB. */
export const rulesOfGroup: Limit = {
  what: 'rules of a security group in one direction',
  most: 60,
  source: {
    title: 'Amazon VPC quotas',
    url: 'https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html',
  },
  refusal: {
    code: 'RulesPerSecurityGroupLimitExceeded',
    words: () => 'The maximum number of rules per security group has been reached.',
    seen: {
      title: 'RulesPerSecurityGroupLimitExceeded error (aws-samples/aws-cloudfront-samples, issue 53)',
      url: 'https://github.com/aws-samples/aws-cloudfront-samples/issues/53',
    },
  },
};

/** `aws:` is AWS's own. */
export const tagKey: Limit = {
  what: "a tag's key",
  pattern: /^(?!aws:)[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/iu,
  source: {
    title: 'Tag naming limits and requirements, Tagging AWS Resources and Tag Editor',
    url: 'https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html',
  },
  refusal: {
    code: 'InvalidParameterValue',
    words: (given) => `Tag key '${given}' is not valid: 1 to 128 characters, and none begins with aws:`,
  },
};

export const tagValue: Limit = {
  what: "a tag's value",
  pattern: /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u,
  source: tagKey.source,
  refusal: {
    code: 'InvalidParameterValue',
    words: (given) => `Tag value '${given}' is not valid: at most 256 characters`,
  },
};

export const tags: Limit = {
  what: 'tags of a resource',
  most: 50,
  source: tagKey.source,
  refusal: {
    code: 'TagLimitExceeded',
    words: () => 'The maximum number of tags for a resource has been reached.',
  },
};

/** Of a page that a describe operation is asked for. */
const results = (operation: string, least: number, most: number): Limit => ({
  what: `MaxResults of ${operation}`,
  least,
  most,
  source: {
    title: `${operation}, Amazon EC2 API Reference`,
    url: `https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_${operation}.html`,
  },
  refusal: {
    code: 'InvalidParameterValue',
    words: (given) =>
      `Value ( ${given} ) for parameter maxResults is invalid. Expecting a value ${Number(given) < least ? `greater than ${least}` : `less than ${most}`}.`,
    seen: {
      title: 'update ec2 examples to use max_results: 5 (aws/aws-sdk-ruby, pull request 2575)',
      url: 'https://github.com/aws/aws-sdk-ruby/pull/2575',
    },
  },
});

export const resultsOf = {
  vpcs: results('DescribeVpcs', 5, 1000),
  subnets: results('DescribeSubnets', 5, 1000),
  routeTables: results('DescribeRouteTables', 5, 100),
  dhcpOptions: results('DescribeDhcpOptions', 5, 1000),
} as const;

/** "If the value is greater than 1,000, we return only 1,000 items." */
export const endpointsOfPage = 1000;
