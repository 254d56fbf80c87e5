/** Policies of keys, secrets, buckets, topics, tables and endpoints. SQS has more to say: `sqs.ts`. */
import type { Limit } from './limit.ts';

export const keyPolicy: Limit = {
  what: "bytes of a key's policy",
  most: 32_768,
  unit: 'bytes',
  source: {
    title: 'Resource quotas, AWS Key Management Service Developer Guide',
    url: 'https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html',
  },
  refusal: { code: 'LimitExceededException', words: () => 'The key policy is longer than 32768 bytes.' },
};

export const secretPolicy: Limit = {
  what: "characters of a secret's policy",
  most: 20_480,
  source: {
    title: 'AWS Secrets Manager quotas',
    url: 'https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html',
  },
  refusal: {
    code: 'MalformedPolicyDocumentException',
    words: () => 'This resource policy contains a syntax error: it is longer than 20480 characters',
  },
};

export const bucketPolicy: Limit = {
  what: "bytes of a bucket's policy",
  most: 20_480,
  unit: 'bytes',
  source: {
    title: 'Adding a bucket policy by using the Amazon S3 console',
    url: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html',
  },
  refusal: {
    code: 'PolicyTooLarge',
    words: () => 'Policy exceeds the maximum allowed document size.',
    seen: {
      title: 'Policy exceeds the maximum allowed document (minio/minio, issue 8625), which follows S3',
      url: 'https://github.com/minio/minio/issues/8625',
    },
  },
};

const topicQuotas = {
  title: 'Amazon SNS API permissions: Actions and resources reference',
  url: 'https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html',
};

export const topicPolicy = {
  bytes: {
    what: "bytes of a topic's policy",
    most: 30_720,
    unit: 'bytes',
    source: topicQuotas,
    refusal: { code: 'InvalidParameter', words: () => 'Invalid parameter: Policy too large' },
  },
  statements: {
    what: "statements of a topic's policy",
    most: 100,
    source: topicQuotas,
    refusal: { code: 'InvalidParameter', words: () => 'Invalid parameter: Policy has too many statements' },
  },
  principals: {
    what: "principals of a topic's policy",
    least: 1,
    most: 200,
    source: topicQuotas,
    refusal: { code: 'InvalidParameter', words: () => 'Invalid parameter: Policy principals' },
  },
} as const satisfies Readonly<Record<string, Limit>>;

/** DynamoDB counts white space as well. */
export const tablePolicy: Limit = {
  what: "bytes of a table's policy",
  most: 20_480,
  unit: 'bytes',
  source: {
    title: 'DynamoDB resource-based policy considerations',
    url: 'https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/rbac-considerations.html',
  },
  refusal: { code: 'ValidationException', words: () => 'The resource policy is longer than 20480 bytes.' },
};

/** White space counts. */
export const endpointPolicy: Limit = {
  what: "characters of a VPC endpoint's policy",
  most: 20_480,
  source: {
    title: 'AWS PrivateLink quotas',
    url: 'https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-limits-endpoints.html',
  },
  refusal: {
    code: 'InvalidPolicyDocument',
    words: () => 'The endpoint policy is longer than 20480 characters.',
  },
};
