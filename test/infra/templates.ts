/** Synthesized templates as tests read them. */
import { synthesis } from '../../infra/sandbox/stack/synthesis.ts';

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, Json>;
  readonly Condition?: string;
  readonly DependsOn?: string[];
  readonly DeletionPolicy?: string;
  readonly UpdateReplacePolicy?: string;
}
export type Resources = Record<string, Resource>;

export interface Parameter {
  readonly Type: string;
  readonly Default?: Json;
  readonly Description?: string;
  readonly AllowedPattern?: string;
  readonly AllowedValues?: Json[];
}

export interface Template {
  readonly Resources: Resources;
  readonly Parameters: Record<string, Parameter>;
  readonly Conditions: Record<string, Json>;
  readonly Outputs: Record<string, { readonly Value: Json }>;
  readonly Metadata?: {
    readonly 'AWS::CloudFormation::Interface'?: {
      readonly ParameterGroups: readonly {
        readonly Label: { readonly default: string };
        readonly Parameters: readonly string[];
      }[];
    };
  };
}

/** The two templates that are deployed, as `npm run synth` writes them: synthesized once, whoever asks. */
export async function deployedTemplates(): Promise<{
  readonly membership: Template;
  readonly attach: Template;
  readonly agentFile: string;
}> {
  const { template, attachTemplate, agentFile } = await synthesis();
  return { membership: JSON.parse(template), attach: JSON.parse(attachTemplate), agentFile };
}

export function ofType({ Resources }: Template, type: string): Resource[] {
  return Object.values(Resources).filter((resource) => resource.Type === type);
}

export function propertiesOf(template: Template, type: string): Resource['Properties'][] {
  return ofType(template, type).map(({ Properties }) => Properties);
}

/** The only resource of a type. */
export function only(template: Template, type: string): Resource {
  const [resource, ...more] = ofType(template, type);
  if (!resource || more.length > 0)
    throw new Error(`there are ${more.length + (resource ? 1 : 0)} of ${type}`);
  return resource;
}

/** The launch template's data: what a worker is made of. */
export function launchDataOf(template: Template): Record<string, Json> {
  const data = only(template, 'AWS::EC2::LaunchTemplate').Properties['LaunchTemplateData'];
  if (typeof data !== 'object' || data === null || Array.isArray(data))
    throw new Error('no launch template data');
  return data;
}

/** The script that a worker runs when it starts for the first time. */
export const userDataOf = (template: Template): string => flat(launchDataOf(template)['UserData']);

/**
 * Text with its intrinsic functions replaced: Join is joined, If is decided where it is said what holds, and anything else
 * becomes `<name>`, an item of a list with its number.
 */
export function flat(value: Json | undefined, holds: Readonly<Record<string, boolean>> = {}): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const join = value['Fn::Join'];
    if (Array.isArray(join)) {
      const [separator, parts] = join;
      return Array.isArray(parts)
        ? parts.map((part) => flat(part, holds)).join(flat(separator))
        : flat(parts, holds);
    }
    const split = value['Fn::Split'];
    if (Array.isArray(split)) return `${flat(split[1])}[]`;
    if (value['Fn::Base64'] !== undefined) return flat(value['Fn::Base64'], holds);
    if (value['Ref'] !== undefined) return `<${flat(value['Ref'])}>`;
    const selected = value['Fn::Select'];
    if (Array.isArray(selected)) return `${flat(selected[1])}${JSON.stringify(selected[0])}`;
    const attribute = value['Fn::GetAtt'];
    if (Array.isArray(attribute)) return `<${attribute.map((part) => flat(part)).join('.')}>`;
    const choice = value['Fn::If'];
    if (Array.isArray(choice)) {
      const condition = flat(choice[0]);
      const held = holds[condition];
      return held === undefined ? `<${condition}>` : flat(choice[held ? 1 : 2], holds);
    }
  }
  throw new Error(`not text: ${JSON.stringify(value)}`);
}

/** The agent's configuration in the text that a template gives it, with `<name>` replaced by what could stand there. */
export function filled(text: string): string {
  return text
    .replaceAll(/<AWS::Region>/g, 'eu-central-1')
    .replaceAll('<AWS::AccountId>', '123456789012')
    .replaceAll(
      /<Membership\w*Queue\w*>/g,
      'https://sqs.eu-central-1.amazonaws.com/123456789012/adjoin-lifecycle',
    )
    .replaceAll(/<Membership\w+\.RoleId>/g, 'AROA0123456789ABCDEF0')
    .replaceAll(/<Membership(\w+)>/g, '$1')
    .replaceAll('<DirectorySite>', 'Branch')
    .replaceAll(
      '<DirectoryControllers>[]',
      ['dc1.corp.example.test', 'dc2.corp.example.test:3269'].join('","'),
    )
    .replaceAll(
      '<OwnDocuments>[]',
      ['harden', 'join'].map((name) => `adjoin-own-${name}:1:${'0'.repeat(64)}`).join('","'),
    )
    .replaceAll('<PackageRepository>', 'https://packages.s3.eu-central-1.amazonaws.com/@id@/@version@')
    .replaceAll('<DnsCleanup>', 'records')
    .replaceAll('<SweepQuarantineDays>', '0')
    .replaceAll('<Deployment>', 'adjoin');
}

/**
 * Statements that demand MFA, one each: sessions, forwarding, ECS Exec, the worker's administrator, the trust of the
 * dead-letter operator, and that of the membership operator.
 */
export const mfaDemands = 6;
