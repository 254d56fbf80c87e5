/** Templates for tests, without bundling. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AttachStack } from '../../../infra/attach-stack.ts';
import { DomainMembership, type DomainMembershipProps } from '../../../infra/domain-membership.ts';
import { MembershipStack } from '../../../infra/stack.ts';

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

export const sha256 = 'a'.repeat(64);

const folder = mkdtempSync(join(tmpdir(), 'adjoin-stack-'));
afterAll(() => rmSync(folder, { recursive: true }));

const newApp = () =>
  new App({
    outdir: mkdtempSync(join(folder, 'out-')),
    analyticsReporting: false,
    context: { '@aws-cdk/core:newStyleStackSynthesis': false },
  });

/** The template for those without CDK. */
export function membershipTemplate(): Template {
  return Template.fromStack(new MembershipStack(newApp(), 'adjoin', { agentSha256: sha256 }));
}

export function attachTemplate(): Template {
  return Template.fromStack(new AttachStack(newApp(), 'adjoin-attach'));
}

export const props: DomainMembershipProps = {
  deployment: 'adjoin',
  administratorArns: ['arn:aws:iam::123456789012:role/adjoin-administrator'],
  breakGlassRoleArn: 'arn:aws:iam::123456789012:role/adjoin-break-glass',
  vpcId: 'vpc-0123456789abcdef0',
  subnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
  directoryCidrs: ['10.77.0.0/24'],
  directoryCaBase64: 'QUJD',
  agent: { bucketName: 'artifacts', objectKey: 'agent.mjs', sha256 },
  prefixListIds: ['pl-0123456789abcdef0', 'pl-0123456789abcdef1'],
  sessions: { operatorNetworks: ['192.0.2.0/24'] },
};

/** A stack of somebody who has a CDK app of his own. */
export function ownStack(over: Partial<DomainMembershipProps> = {}): {
  stack: Stack;
  membership: DomainMembership;
} {
  const stack = new Stack(newApp(), 'own');
  return { stack, membership: new DomainMembership(stack, 'Membership', { ...props, ...over }) };
}

export interface Parameter {
  readonly Type: string;
  readonly Default?: Json;
  readonly Description?: string;
  readonly AllowedPattern?: string;
  readonly AllowedValues?: Json[];
}

interface Written {
  readonly Resources: Resources;
  readonly Parameters: Record<string, Parameter>;
  readonly Outputs: Record<string, { readonly Value: Json }>;
}

export function written(template: Template): Written {
  return JSON.parse(JSON.stringify(template.toJSON()));
}

export function resourcesOf(template: Template): Resources {
  return written(template).Resources;
}

export function ofType(template: Template, type: string): Resource[] {
  return Object.values(resourcesOf(template)).filter((resource) => resource.Type === type);
}

/** The only resource of a type. */
export function only(template: Template, type: string): Resource {
  const [resource, ...more] = ofType(template, type);
  if (!resource || more.length > 0)
    throw new Error(`there are ${more.length + (resource ? 1 : 0)} of ${type}`);
  return resource;
}

/**
 * Text with its intrinsic functions replaced: Join is joined, If is decided where it is said what holds, and anything else
 * becomes `<name>`.
 */
export function flat(value: Json | undefined, holds: Readonly<Record<string, boolean>> = {}): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const join = value['Fn::Join'];
    if (Array.isArray(join) && Array.isArray(join[1]))
      return join[1].map((part) => flat(part, holds)).join(flat(join[0]));
    if (value['Fn::Base64'] !== undefined) return flat(value['Fn::Base64'], holds);
    if (value['Ref'] !== undefined) return `<${flat(value['Ref'])}>`;
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
