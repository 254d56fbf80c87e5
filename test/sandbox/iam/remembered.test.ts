import { describe, expect, test } from '@jest/globals';
import { Authorizer, type Question } from '../../../infra/sandbox/iam/authorizer.ts';
import { RememberedDecisions } from '../../../infra/sandbox/iam/remembered.ts';
import { allow, deployed, identity, secret, worker, workerRole } from './fixtures.ts';

const action = 'secretsmanager:GetSecretValue';
const asked: Question = { principal: worker, action, resource: secret };

/** Whether each of the questions is allowed, and how many of them were decided. */
async function decideAll(statement: Record<string, unknown>, questions: readonly Question[]) {
  const policies = deployed({ identities: new Map([[workerRole, identity(statement)]]) });
  const authorizer = new Authorizer(policies);
  let decided = 0;
  const remembered = new RememberedDecisions(policies, {
    decide(question) {
      decided += 1;
      return authorizer.decide(question);
    },
  });
  const allowed: boolean[] = [];
  for (const question of questions) allowed.push((await remembered.decide(question)).allowed);
  return { allowed, decided };
}

describe('a decision that is remembered', () => {
  test('is that of the same question, whatever no policy looks at', async () => {
    const questions = ['2026-11-30T20:00:00Z', '2026-11-30T20:00:01Z'].map((time) => ({
      ...asked,
      context: { 'aws:CurrentTime': time },
    }));
    expect(await decideAll(allow('Read', action), questions)).toEqual({ allowed: [true, true], decided: 1 });
  });

  test.each(['secretsmanager:VersionStage', 'SECRETSMANAGER:versionstage'])(
    'is no other question’s: a policy names the condition key as %s',
    async (conditionKey) => {
      const questions = ['AWSCURRENT', 'AWSPENDING', 'AWSCURRENT'].map((stage) => ({
        ...asked,
        context: { 'secretsmanager:VersionStage': stage },
      }));
      const Condition = { StringEquals: { [conditionKey]: 'AWSCURRENT' } };
      expect(await decideAll(allow('Read', action, { Condition }), [...questions, asked])).toEqual({
        allowed: [true, false, true, false],
        decided: 3,
      });
    },
  );

  test('is no other caller’s, action’s or resource’s', async () => {
    const questions = [
      asked,
      { ...asked, principal: worker.replace(/[^/]*$/, 'i-0fedcba9876543210') },
      { ...asked, action: 'secretsmanager:DescribeSecret' },
      { ...asked, resource: `${secret}x` },
    ];
    expect((await decideAll(allow('Read', action), questions)).decided).toBe(4);
  });

  test('depends on the endpoint that a request comes through, which no policy need name', async () => {
    const questions = ['vpce-1', 'vpce-2'].map((endpoint) => ({
      ...asked,
      context: { 'aws:SourceVpce': endpoint },
    }));
    expect((await decideAll(allow('Read', action), questions)).decided).toBe(2);
  });
});
