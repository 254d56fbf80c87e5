import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import {
  createWorld,
  GROUP,
  INSTANCE,
  LAUNCH_TOKEN,
  TERMINATE_TOKEN,
  type World,
} from '../../support/world.ts';
import { broken, fuzz, LIMIT_MS } from './fuzz.ts';
import { changes, damaged, essentials, strange, type Direction, type Fate } from './messages.ts';
import type { Ending } from '../../../agent/terms.ts';

/** What came of one message, in a world where one instance waits for one hook. */
interface Outcome {
  readonly endings: readonly Ending[];
  readonly removed: boolean;
  readonly hidden: readonly number[];
  readonly answers: readonly string[];
  readonly effects: readonly string[];
}

async function deliver(world: World, text: string): Promise<Outcome> {
  const handled = world.handler.handle(world.deliver({ messageId: 'm', body: text, receiveCount: 1 }));
  await world.clock.until(handled);
  return {
    endings: world.endings,
    removed: world.removed.includes('m'),
    hidden: world.hidden.map(({ seconds }) => seconds),
    answers: world.answers.map(({ result }) => result),
    effects: world.effects,
  };
}

async function play(direction: Direction, text: string): Promise<Outcome> {
  const world = createWorld();
  if (direction === 'launch') world.launch();
  else world.terminate();
  return deliver(world, text);
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** Whether the outcome is the one that the fate demands, in every respect. */
function isFate(fate: Fate, direction: Direction, outcome: Outcome): boolean {
  const { endings, removed, hidden, answers, effects } = outcome;
  switch (fate) {
    case 'done':
      return (
        same(endings, [direction === 'launch' ? 'joined' : 'unjoined']) &&
        removed &&
        same(answers, ['CONTINUE'])
      );
    case 'void':
      return same(endings, ['void']) && removed && same(answers, []) && same(effects, ['delete']);
    case 'dead':
      // Hidden for a second: SQS counts the receive, and keeps it for a person in the end.
      return (
        same(endings, ['malformed']) &&
        !removed &&
        same(hidden, [1]) &&
        same(answers, []) &&
        same(effects, [])
      );
  }
}

describe('a message', () => {
  test(
    'that was changed is worked on, void or left for the dead-letter queue, as the change demands',
    async () => {
      const played = await fuzz('changed messages', changes, async ({ name, direction, text, fate }) => {
        const outcome = await play(direction, text);
        if (!isFate(fate, direction, outcome))
          throw broken(`${name} is not ${fate}`, { text: text.slice(0, 1_000), outcome });
      });
      expect(played).toBe(true);
    },
    LIMIT_MS,
  );

  test(
    'that was damaged is acted on only where all that matters has survived word for word',
    async () => {
      const fates: readonly Fate[] = ['done', 'void', 'dead'];
      const seen = new Set<Fate>();
      const played = await fuzz('damaged messages', damaged, async ({ name, direction, text }) => {
        const outcome = await play(direction, text);
        const fate = fates.find((each) => isFate(each, direction, outcome));
        if (!fate) throw broken(`${name} ended in no known way`, { text, outcome });
        if (fate === 'done') {
          // In an SNS envelope the message is a string, its quotes escaped.
          const plain = text.replaceAll('\\"', '"');
          const lost = essentials(direction).filter((word) => !plain.includes(word));
          if (lost.length > 0) throw broken(`${name} was acted on without ${lost.join(', ')}`, { text });
        }
        seen.add(fate);
      });
      expect(played).toBe(true);
      expect([...seen].toSorted()).toEqual([...fates].toSorted());
    },
    LIMIT_MS,
  );

  test(
    'that never was one is left for the dead-letter queue',
    async () => {
      const played = await fuzz(
        'messages that never were one',
        fc.tuple(fc.constantFrom<Direction>('launch', 'terminate'), strange),
        async ([direction, text]) => {
          const outcome = await play(direction, text);
          if (!isFate('dead', direction, outcome))
            throw broken('It was taken for a message', { text: text.slice(0, 500), outcome });
        },
      );
      expect(played).toBe(true);
    },
    LIMIT_MS,
  );

  test(
    'whose token is true stays in the queue while Auto Scaling shows another state, and nothing is touched',
    async () => {
      const states = fc.constantFrom(
        'InService',
        'Pending',
        'Terminating',
        'Standby',
        'Terminated',
        'Quarantined',
        'Warmed:Stopped',
        '',
        'pending:wait',
      );
      const played = await fuzz(
        'messages for the wrong wait state',
        fc.tuple(fc.constantFrom<Direction>('launch', 'terminate'), states, fc.boolean()),
        async ([direction, lifecycleState, ownState]) => {
          const world = createWorld();
          const message = direction === 'launch' ? world.launch() : world.terminate();
          const opposite = direction === 'launch' ? 'Terminating:Wait' : 'Pending:Wait';
          const token = direction === 'launch' ? LAUNCH_TOKEN : TERMINATE_TOKEN;
          world.instances.set(INSTANCE, {
            group: GROUP,
            lifecycleState: ownState ? lifecycleState : opposite,
            token,
          });
          const outcome = await deliver(world, message.body);
          const left = outcome.endings.length === 1 && outcome.endings[0] === 'failed' && !outcome.removed;
          if (!left || outcome.answers.length > 0 || outcome.effects.length > 0)
            throw broken('It was settled', outcome);
        },
      );
      expect(played).toBe(true);
    },
    LIMIT_MS,
  );
});
