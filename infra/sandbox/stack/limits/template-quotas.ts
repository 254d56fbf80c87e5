/** CloudFormation's own quotas. */
import { enforce, type Limit, type Source } from '../../cloud/limits/limit.ts';
import type { Template } from '../template.ts';

const quotas: Source = {
  title: 'Understand CloudFormation quotas',
  url: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html',
};

function quota(what: string, most: number, words: (given: string | number) => string, seen?: Source): Limit {
  return {
    what,
    most,
    source: quotas,
    refusal: { code: 'ValidationError', words, ...(seen && { seen }) },
  };
}

function count(kind: string, most: number): Limit {
  return quota(
    `${kind} of a template`,
    most,
    (given) => `Template format error: Number of ${kind}, ${given}, is greater than maximum allowed, ${most}`,
    {
      title: 'AWS CloudFormation limit of 200 maximum allowed resources (serverless/serverless, issue 2387)',
      url: 'https://github.com/serverless/serverless/issues/2387',
    },
  );
}

export const templateQuotas = {
  /** A longer one has to be uploaded to S3 first. */
  body: {
    ...quota(
      'bytes of a template in a request',
      51_200,
      () =>
        "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to 51200",
      {
        title:
          'cluster.yml: member must have length less than or equal to 51200 (widdix/aws-cf-templates, issue 169)',
        url: 'https://github.com/widdix/aws-cf-templates/issues/169',
      },
    ),
    unit: 'bytes',
  },
  object: {
    ...quota('bytes of a template in S3', 1_000_000, () => 'Template may not exceed 1000000 bytes in size.'),
    unit: 'bytes',
  },
  description: {
    ...quota(
      "bytes of a template's description",
      1024,
      () => "Template format error: 'Description' length is greater than 1024.",
    ),
    unit: 'bytes',
  },
  resources: count('resources', 500),
  parameters: count('parameters', 200),
  outputs: count('outputs', 200),
  mappings: count('mappings', 200),
  resourceName: {
    what: 'logical ID of a resource',
    pattern: /^[A-Za-z0-9]{1,255}$/,
    source: quotas,
    refusal: {
      code: 'ValidationError',
      words: (given) => `Template format error: Resource name ${given} is non alphanumeric.`,
    },
  },
  parameterName: {
    what: "a parameter's name",
    pattern: /^[A-Za-z0-9]{1,255}$/,
    source: quotas,
    refusal: {
      code: 'ValidationError',
      words: (given) => `Template format error: Parameter name ${given} is non alphanumeric.`,
    },
  },
  outputName: {
    what: "an output's name",
    pattern: /^[A-Za-z0-9]{1,255}$/,
    source: quotas,
    refusal: {
      code: 'ValidationError',
      words: (given) => `Template format error: Output name ${given} is non alphanumeric.`,
    },
  },
  parameterValue: {
    ...quota("bytes of a parameter's value", 4096, () => 'length is greater than 4096.', {
      title: 'User data limited to 4096 bytes (aws/amazon-ecs-cli, issue 895)',
      url: 'https://github.com/aws/amazon-ecs-cli/issues/895',
    }),
    unit: 'bytes',
  },
} as const satisfies Readonly<Record<string, Limit>>;

/** @throws ServiceFailure for a template, or values of its parameters, that CloudFormation does not take, uploaded to S3 or not */
export function checkTemplate(
  text: string,
  template: Template,
  values: Readonly<Record<string, string>>,
): void {
  enforce(templateQuotas.object, text);
  enforce(templateQuotas.description, template.description);
  enforce(templateQuotas.resources, template.resources.size);
  enforce(templateQuotas.parameters, template.parameters.size);
  enforce(templateQuotas.outputs, template.outputs.size);
  enforce(templateQuotas.mappings, Object.keys(template.mappings).length);
  for (const name of template.resources.keys()) enforce(templateQuotas.resourceName, name);
  for (const name of template.parameters.keys()) enforce(templateQuotas.parameterName, name);
  for (const name of template.outputs.keys()) enforce(templateQuotas.outputName, name);
  const defaults = [...template.parameters.values()].flatMap((each) => each.default ?? []);
  for (const value of [...Object.values(values), ...defaults]) enforce(templateQuotas.parameterValue, value);
}
