/** Names of what is stored: buckets, tables, secrets. */
import type { Limit } from './limit.ts';

export const bucketName: Limit = {
  what: "a bucket's name",
  pattern:
    /^(?!xn--|sthree-|amzn-s3-demo-)(?!.*(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$)(?!.*\.\.)(?!\d+(?:\.\d+){3}$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
  source: {
    title: 'General purpose bucket naming rules',
    url: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html',
  },
  refusal: {
    code: 'InvalidBucketName',
    words: () => 'The specified bucket is not valid.',
    seen: {
      title: 'Error responses, Amazon S3 API Reference',
      url: 'https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html',
    },
  },
};

export const tableName: Limit = {
  what: "a table's name",
  pattern: /^[A-Za-z0-9_.-]{3,255}$/,
  source: {
    title: 'Supported data types and naming rules in Amazon DynamoDB',
    url: 'https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html',
  },
  refusal: {
    code: 'ValidationException',
    words: () => 'TableName must be at least 3 characters long and at most 255 characters long',
  },
};

export const secretName: Limit = {
  what: "a secret's name",
  pattern: /^[\w/+=.@-]{1,512}$/,
  source: {
    title: 'CreateSecret, AWS Secrets Manager API Reference',
    url: 'https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html',
  },
  refusal: {
    code: 'ValidationException',
    words: () =>
      'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
  },
};
