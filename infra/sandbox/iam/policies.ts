/** Policies as deployed: plain IAM JSON, every placeholder filled, and who or what each is attached to. */

/** How a policy takes part in a decision. */
export type PolicyKind =
  | 'identity'
  | 'boundary'
  | 'service-control'
  | 'resource-control'
  | 'resource'
  | 'endpoint';

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Principal?: unknown;
  readonly Action?: string | readonly string[];
  readonly NotAction?: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly NotResource?: string | readonly string[];
  /** Operator, then key, then one value or several. */
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

export interface PolicyDocument {
  readonly Version: '2012-10-17';
  readonly Statement: readonly Statement[];
}

export interface Policy {
  readonly name: string;
  readonly document: PolicyDocument;
}

/** What a role or a user has. */
export interface Identity {
  readonly policies: readonly Policy[];
  readonly boundary?: Policy;
}

export interface Endpoint {
  readonly vpcId: string;
  /** Without one, an endpoint lets everything pass. */
  readonly policy?: Policy;
}

export interface DeployedPolicies {
  readonly accountId: string;
  /** By ARN of the role or user. One of another account may be among them, with the policies of its account. */
  readonly identities: ReadonlyMap<string, Identity>;
  /** By ARN of the queue, secret, key, topic, bucket or role (its trust policy). */
  readonly resourcePolicies: ReadonlyMap<string, Policy>;
  /** By ID, such as `vpce-0123456789abcdef0`. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** Deny statements only: what an organization lays over its `FullAWSAccess`. Bind this account's principals. */
  readonly serviceControlPolicies: readonly Policy[];
  /** Of the organization, on this account's resources, whoever calls. Default: none. */
  readonly resourceControlPolicies?: readonly Policy[];
}

export class PolicyProblem extends Error {
  override readonly name = 'PolicyProblem';
}

/**
 * A policy from what a template or a file says. Refused, as a {@link PolicyProblem}, is what would be decided here
 * otherwise than IAM decides it, or could not be named in a report: a statement without a Sid of its own, a
 * placeholder that was not filled, an unknown condition operator, NotPrincipal.
 */
export function policy(name: string, document: unknown): Policy {
  if (!isRecord(document)) throw new PolicyProblem(`${name} is not a policy document.`);
  const statements: Statement[] = [];
  const problems: string[] = [];
  if (document['Version'] !== '2012-10-17') problems.push('its Version is not 2012-10-17');
  for (const statement of listOf(document['Statement'])) {
    if (!isStatement(statement)) {
      problems.push('a statement has no Sid or no Effect');
      continue;
    }
    const { Sid } = statement;
    if (statements.some((each) => each.Sid === Sid)) problems.push(`${Sid} stands in it twice`);
    if ('NotPrincipal' in statement) problems.push(`${Sid} uses NotPrincipal`);
    for (const operator of Object.keys(statement.Condition ?? {}).filter((each) => !operators.test(each)))
      problems.push(`${Sid} uses ${operator}, which IAM does not know`);
    for (const blank of unfilled(statement)) problems.push(`${Sid} has the unfilled placeholder ${blank}`);
    statements.push(statement);
  }
  if (statements.length === 0) problems.push('it has no statement');
  if (problems.length > 0) throw new PolicyProblem(`${name}: ${problems.join(', ')}.`);
  return { name, document: { Version: '2012-10-17', Statement: statements } };
}

/** The policy without one of its statements; undefined when that was its only one. */
export function withoutStatement({ name, document }: Policy, sid: string): Policy | undefined {
  const rest = document.Statement.filter((each) => each.Sid !== sid);
  return rest.length > 0 ? { name, document: { ...document, Statement: rest } } : undefined;
}

/** One or several, as IAM writes lists. */
export function listOf<Item>(value: Item | readonly Item[] | undefined): readonly Item[] {
  if (value === undefined) return [];
  return isList(value) ? value : [value];
}

function isList<Item>(value: Item | readonly Item[]): value is readonly Item[] {
  return Array.isArray(value);
}

/** Whether a text is one that a pattern such as `ssm:Get*` means, whatever the case, as IAM compares actions. */
export function wildcardMatches(pattern: string, text: string): boolean {
  const expression = pattern
    .replaceAll(/[\\^$.|+(){}[\]]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${expression}$`, 'i').test(text);
}

/**
 * IAM's own variables name a context key, with a colon, or escape one character. Anything else is a placeholder; a
 * Deny that keeps one never applies, and nothing else would show it.
 */
function unfilled(value: unknown): string[] {
  const found = JSON.stringify(value)?.match(/\$\{[^}]*\}/g) ?? [];
  return found.filter((each) => !/^\$\{(?:[^}]*:[^}]*|\*|\?|\$)\}$/.test(each));
}

const operators = new RegExp(
  '^(?:Null|(?:ForAllValues:|ForAnyValue:)?(?:' +
    [
      'String(?:Not)?(?:Equals|EqualsIgnoreCase|Like)',
      '(?:Numeric|Date)(?:(?:Not)?Equals|(?:Less|Greater)Than(?:Equals)?)',
      'Arn(?:Not)?(?:Equals|Like)',
      '(?:Not)?IpAddress',
      'Bool',
      'BinaryEquals',
    ].join('|') +
    ')(?:IfExists)?)$',
);

function isStatement(value: unknown): value is Statement {
  if (!isRecord(value)) return false;
  const { Sid, Effect } = value;
  return typeof Sid === 'string' && Sid !== '' && (Effect === 'Allow' || Effect === 'Deny');
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
