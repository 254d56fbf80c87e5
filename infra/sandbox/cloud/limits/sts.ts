/** How long sessions last, and what STS says of codes that it does not take. */
import { ServiceFailure } from '../failure.ts';
import type { Limit } from './limit.ts';

const getSessionToken = {
  title: 'GetSessionToken, AWS Security Token Service API Reference',
  url: 'https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html',
};

/** Of a user's session, in seconds. */
export const userSeconds = {
  usual: 43_200,
  limit: {
    what: "the seconds of a user's session",
    least: 900,
    most: 129_600,
    source: getSessionToken,
    refusal: {
      code: 'ValidationError',
      words: (given) => `durationSeconds must be from 900 to 129600, and is ${given}`,
    },
  },
} as const satisfies { usual: number; limit: Limit };

export const chainedSeconds: Limit = {
  what: 'the seconds of a role that was taken by another role',
  most: 3600,
  source: {
    title: 'Roles terms and concepts: role chaining, IAM User Guide',
    url: 'https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html',
  },
  refusal: {
    code: 'ValidationError',
    words: () =>
      'The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining',
    seen: {
      title: 'Troubleshoot IAM roles, IAM User Guide',
      url: 'https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html',
    },
  },
};

/** Only a user's long-term keys begin a session: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
export const fromSession = (): ServiceFailure =>
  new ServiceFailure('AccessDenied', 'Cannot call GetSessionToken with session credentials', 403);

/** Seen in aws/aws-cli, issues 2279 (wrong) and 6325 (foreign). */
const words = {
  incomplete: 'MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.',
  foreign:
    'MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user.',
  wrong: 'MultiFactorAuthentication failed with invalid MFA one time pass code.',
} as const;

export const codeRefusal = (why: keyof typeof words): ServiceFailure =>
  new ServiceFailure('AccessDenied', words[why], 403);
