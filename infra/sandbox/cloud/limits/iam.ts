/** IAM and Organizations: sizes and counts of policies. IAM does not count white space. */
import type { Limit, Source } from './limit.ts';

const quotas: Source = {
  title: 'IAM and AWS STS quotas, name requirements, and character limits',
  url: 'https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html',
};

/** IAM answers what is over a quota with 409. */
const exceeded = { code: 'LimitExceeded', status: 409 } as const;

export const iamPolicies = {
  managed: {
    what: 'characters of a managed policy',
    most: 6144,
    source: quotas,
    refusal: {
      ...exceeded,
      words: () => 'Cannot exceed quota for PolicySize: 6144',
      seen: {
        title: 'This policy creates an error on AWS (docker/docs, issue 6218)',
        url: 'https://github.com/docker/docs/issues/6218',
      },
    },
  },
  trust: {
    what: "characters of a role's trust policy",
    most: 2048,
    source: quotas,
    refusal: {
      ...exceeded,
      words: () => 'Cannot exceed quota for ACLSizePerRole: 2048',
      seen: {
        title: 'profile-controller fails to reconcile IAM roles (kubeflow/kubeflow, issue 6687)',
        url: 'https://github.com/kubeflow/kubeflow/issues/6687',
      },
    },
  },
  inline: {
    what: "characters of all of a role's inline policies",
    most: 10_240,
    source: quotas,
    refusal: {
      ...exceeded,
      words: () => 'Maximum policy size of 10240 bytes exceeded for role',
      seen: {
        title: 'Maximum policy size of 10240 bytes exceeded (serverless/serverless, issue 7643)',
        url: 'https://github.com/serverless/serverless/issues/7643',
      },
    },
  },
  attached: {
    what: 'managed policies of a role',
    most: 10,
    source: quotas,
    refusal: {
      ...exceeded,
      words: () => 'Cannot exceed quota for PoliciesPerRole: 10',
      seen: {
        title:
          'Fix for policy quota limit (ministryofjustice/cloud-platform-environments, pull request 14118)',
        url: 'https://github.com/ministryofjustice/cloud-platform-environments/pull/14118',
      },
    },
  },
  alphabet: {
    what: 'characters that may stand in a policy of IAM',
    pattern: /^[\t\n\r\u0020-\u00FF]+$/,
    source: quotas,
    refusal: {
      code: 'MalformedPolicyDocument',
      words: () => 'The policy contains characters that are not allowed.',
    },
  },
} as const satisfies Readonly<Record<string, Limit>>;

/** No stack makes one: a management account gets it as a file. */
export const serviceControlPolicy: Limit = {
  what: 'characters of a service control policy',
  most: 5120,
  source: {
    title: 'Quotas and service limits for AWS Organizations',
    url: 'https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html',
  },
  refusal: {
    code: 'ConstraintViolationException',
    words: () => 'You have exceeded the maximum policy size.',
  },
};

/** Likewise. What such a policy may be made of: the page's table names no NotAction and no NotPrincipal. */
export const resourceControl = {
  size: { ...serviceControlPolicy, what: 'characters of a resource control policy' },
  elements: ['Sid', 'Effect', 'Principal', 'Action', 'Resource', 'NotResource', 'Condition'],
  /** Those that every partition with such policies has had from the first day on. */
  services: ['kms', 's3', 'secretsmanager', 'sqs', 'sts'],
  source: {
    title: 'RCP syntax, AWS Organizations User Guide',
    url: 'https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_syntax.html',
  },
} as const;
