/**
 * Every action of AWS's service authorization reference that reaches the system, asked for by an administrator of other things
 * under the guards: denied, or allowed for a written reason.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import {
  authorizationReference,
  type AuthorizationReference,
} from '../../../scripts/authorization-reference.ts';
import { cast, type Actor } from './cast.ts';
import { decide } from './matrix.ts';
import type { Guard } from './circumstances.ts';
import { assets, idleVerdicts, ways, type Way } from './reach/ways.ts';
import { deployedStack, type Stack } from './stack.ts';
import { synthesized } from './synthesized.ts';

const reference: AuthorizationReference = JSON.parse(
  readFileSync(join(import.meta.dirname, 'service-authorization.json'), 'utf8'),
);

let stack: Stack;
let developer: Actor;
let all: readonly Way[];

beforeAll(async () => {
  stack = deployedStack(await synthesized());
  all = ways(reference, assets(stack.arns));
  const found = cast(stack).find(({ name }) => name === 'account administrator');
  if (!found) throw new Error('The cast has no account administrator.');
  developer = found;
}, 300_000);

/** Resource policies are gone by mistake, so that the guards alone decide. */
function asked(way: Way, guard: Guard) {
  const circumstances = { guard, place: 'from anywhere', flaw: 'resource policies gone' } as const;
  return { actor: developer, act: way, circumstances };
}

async function wrong(guard: Guard): Promise<string[]> {
  const complaints: string[] = [];
  for (const way of all) {
    const { allowed, denies } = await decide(stack, asked(way, guard));
    const what = `${way.action} on ${way.resource} (${way.asset})`;
    if (allowed && way.because === undefined) complaints.push(`${what} is allowed and has no verdict.`);
    if (!allowed && way.because !== undefined)
      complaints.push(`${what} is denied by ${denies.map(({ sid }) => sid).join(', ')}, but: ${way.because}`);
  }
  return complaints;
}

test.each(['the deny policies', 'the service control policies'] as const)(
  'under %s, every action of the reference is denied, or allowed for a written reason',
  async (guard) => {
    expect(await wrong(guard)).toEqual([]);
  },
  120_000,
);

test('without a guard, all of them are allowed: what denies them is the guard', async () => {
  const denied = all.filter(({ because }) => because === undefined);
  expect(denied.length).toBeGreaterThan(500);
  const stopped: string[] = [];
  for (const way of denied) {
    const { allowed } = await decide(stack, asked(way, 'no guard'));
    // A role is taken by whom its trust policy names, whatever else they may.
    if (!allowed && !way.action.startsWith('sts:')) stopped.push(`${way.action} on ${way.resource}`);
  }
  expect(stopped).toEqual([]);
}, 300_000);

test('the reference is the one by which the simulator decides', () => {
  expect(authorizationReference(join(import.meta.dirname, '../../..'))).toEqual(reference);
});

test('every resource type of the reference is that of an asset, and no verdict is idle', () => {
  const everything = assets(stack.arns);
  const types = new Set(everything.flatMap(({ arns }) => Object.keys(arns)));
  const homeless = Object.entries(reference.services).flatMap(([service, { resources, actions }]) => [
    ...Object.keys(resources)
      .map((type) => `${service}:${type}`)
      .filter((type) => !types.has(type)),
    ...(Object.values(actions).some(({ on }) => Object.keys(on).length === 0) && !types.has(`${service}:*`)
      ? [`${service}:*`]
      : []),
  ]);
  expect(homeless).toEqual([]);
  expect(idleVerdicts(reference, everything)).toEqual([]);
});
