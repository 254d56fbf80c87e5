/** What the template says of itself: its parameters, and what of it stays when the stack is deleted. */
import { z } from 'zod';

const parameter = z.object({
  Type: z.string(),
  Default: z.union([z.string(), z.number()]).optional(),
  AllowedPattern: z.string().optional(),
  AllowedValues: z.array(z.union([z.string(), z.number()])).optional(),
  Description: z.string().optional(),
});

const shape = z.object({
  Parameters: z.record(z.string(), parameter).default({}),
  Resources: z.record(z.string(), z.object({ Type: z.string(), DeletionPolicy: z.string().optional() })),
});

export type ParameterFacts = z.infer<typeof parameter>;

export interface TemplateFacts {
  readonly parameters: ReadonlyMap<string, ParameterFacts>;
  /** Logical IDs of resources that outlive the stack. */
  readonly retained: ReadonlySet<string>;
}

/** @throws Error for a text that is no template */
export function readTemplate(text: string): TemplateFacts {
  const { Parameters, Resources } = shape.parse(JSON.parse(text));
  return {
    parameters: new Map(Object.entries(Parameters)),
    retained: new Set(
      Object.entries(Resources)
        .filter(([, { DeletionPolicy = '' }]) => DeletionPolicy.startsWith('Retain'))
        .map(([id]) => id),
    ),
  };
}

/** What is wrong with a value; nothing when CloudFormation would take it. */
export function faultOf(name: string, value: string, { parameters }: TemplateFacts): string | undefined {
  const facts = parameters.get(name);
  if (!facts) return `${name}: the template has no such parameter`;
  const { AllowedPattern, AllowedValues, Description, Type } = facts;
  if (AllowedValues && !AllowedValues.map(String).includes(value))
    return `${name}: ${value} is none of ${AllowedValues.join(', ')}`;
  if (Type === 'Number' && (value.trim() === '' || Number.isNaN(Number(value))))
    return `${name}: ${value} is no number`;
  const parts = Type === 'CommaDelimitedList' ? value.split(',').map((part) => part.trim()) : [value];
  // CloudFormation matches the whole value; of a list, each member.
  const pattern = AllowedPattern === undefined ? undefined : new RegExp(`^(?:${AllowedPattern})$`);
  const wrong = pattern && parts.find((part) => !pattern.test(part));
  if (wrong !== undefined) return `${name}: "${wrong}" does not match. ${Description ?? ''}`.trim();
  return undefined;
}
