import { describe, expect, test } from '@jest/globals';
import { createView, frame, progressOf, type Screen, terminal } from '../../../infra/sandbox/story/view.ts';
import { watched } from './fixtures.ts';

const joining = (n: number, step: Record<string, number> = { received: 0, node: 1_000 }) =>
  watched(n, {
    membership: {
      instanceId: watched(n).instanceId,
      state: 'joining',
      computerName: 'A00000000000001',
      launch: step,
    },
  });

function recorder(live: boolean, color = live): { screen: Screen; text: () => string } {
  let text = '';
  return {
    screen: { live, color, write: (more) => void (text += more), size: () => ({ columns: 80, rows: 24 }) },
    text: () => text,
  };
}

/** What a terminal shows of a line: without the escape codes. */
// eslint-disable-next-line no-control-regex
const visible = (line: string): string => line.replaceAll(/\u001b\[[0-9;]*[A-Za-z]/g, '');

describe('what an instance is doing', () => {
  test('an instance without a membership waits for its message', () => {
    expect(progressOf(watched(1)).label).toBe('message');
  });

  test('the wait for the node counts from the receipt of the message', () => {
    expect(progressOf(joining(1, { received: 5 }))).toMatchObject({ label: 'wait', since: 5, finished: 0 });
  });

  test('a later step counts from the end of the one before it', () => {
    expect(progressOf(joining(1))).toMatchObject({ label: 'probe', since: 1_000, finished: 1 });
  });

  test('an error takes the place of the step', () => {
    const base = joining(1);
    const membership = { ...base.membership, lastError: { code: 'credential-refused', message: 'LDAP 49' } };
    const seen = watched(1, { membership: { instanceId: 'i', state: 'joining', ...membership } });
    expect(progressOf(seen)).toMatchObject({ label: 'credential-refused', trouble: true });
  });

  test('an instance that left with a debt says so', () => {
    const membership = { instanceId: 'i', state: 'owed' };
    expect(progressOf(watched(1, { lifecycleState: undefined, membership })).label).toBe('owed to the sweep');
  });
});

describe('a frame', () => {
  const longest = Array.from({ length: 6 }, (_, n) => ({
    ...joining(n),
    lifecycleState: 'Terminating:Proceed',
  }));

  test.each([80, 60, 20])('no line is wider than a terminal of %d columns', (columns) => {
    const lines = frame(
      { title: 'scale out to 6', startedAt: 0, now: 99_900, instances: longest },
      { columns, rows: 24 },
      true,
    );
    for (const line of lines) expect(visible(line).length).toBeLessThanOrEqual(columns);
  });

  test('in 80 columns nothing is cut off', () => {
    const lines = frame(
      { title: 'scale out to 6', startedAt: 0, now: 99_900, instances: [joining(1)] },
      { columns: 80, rows: 24 },
      false,
    );
    expect(lines.join('\n')).not.toContain('…');
  });

  test('says what the dots are, and whose the time is', () => {
    const lines = frame(
      { title: 'scale out to 1', startedAt: 0, now: 3_300, instances: [joining(1)] },
      { columns: 80, rows: 24 },
      false,
    );
    expect(lines[1]).toMatch(/● a step that is done, ○ one to come; then the present step and its time$/);
    // one of six steps ended at 1.0 s
    expect(lines[2]).toMatch(/ ●○○○○○ probe +2\.3 s$/);
  });

  test('a low terminal shows the instances that move and counts the others', () => {
    const resting = Array.from({ length: 40 }, (_, n) => watched(n, { lifecycleState: 'InService' }));
    const lines = frame(
      { title: 'scale out to 41', startedAt: 0, now: 0, instances: [...resting, joining(99)] },
      { columns: 80, rows: 10 },
      false,
    );
    expect(lines).toHaveLength(9);
    expect(lines[2]).toContain('probe');
    expect(lines.at(-1)).toBe('… and 35 more');
  });
});

describe('the plain view', () => {
  test('an instance is written when it changes and not while it stays', () => {
    const { screen, text } = recorder(false);
    const view = createView(screen, 0, () => 3_000);
    view.begin('scale out to 1');
    view.update([joining(1)]);
    view.update([joining(1)]);
    view.update([joining(1, { received: 0, node: 1_000, probe: 2_000 })]);
    expect(text().split('\n')).toEqual([
      '0:03  scale out to 1',
      '0:03  i-00000000000000001  A00000000000001 Pending:Wait     probe',
      '0:03  i-00000000000000001  A00000000000001 Pending:Wait     stage',
      '',
    ]);
  });

  test('an error is written with its message', () => {
    const { screen, text } = recorder(false);
    const seen = joining(1);
    const membership = {
      instanceId: 'i',
      state: 'joining',
      ...seen.membership,
      lastError: { code: 'join-failed', message: 'no route' },
    };
    createView(screen, 0, () => 0).update([{ ...seen, membership }]);
    expect(text()).toContain('join-failed: no route');
  });

  test('it has no escape code', () => {
    const { screen, text } = recorder(false);
    const view = createView(screen, 0, () => 0);
    view.begin('scale in to 0');
    view.update([joining(1), watched(2, { lifecycleState: undefined })]);
    view.say('✔ done');
    expect(text()).toBe(visible(text()));
  });
});

describe('the live view', () => {
  test('a frame is drawn over the one before it', () => {
    const { screen, text } = recorder(true);
    const view = createView(screen, 0, () => 0);
    view.begin('scale out to 2');
    view.update([joining(1), joining(2)]);
    view.update([joining(1), joining(2)]);
    // A title, what the signs mean, and two rows.
    expect(text()).toContain('\u001b[4A');
  });

  test('a line that stays ends the block, and the next frame is drawn below it', () => {
    const { screen, text } = recorder(true);
    const view = createView(screen, 0, () => 0);
    view.begin('scale out to 1');
    view.update([joining(1)]);
    view.say('✔ done');
    view.update([joining(1)]);
    expect(text()).not.toContain('\u001b[3A');
  });

  test('without colours it is drawn in place all the same', () => {
    const { screen, text } = recorder(true, false);
    const view = createView(screen, 0, () => 0);
    view.begin('scale out to 1');
    view.update([joining(1)]);
    view.update([joining(1)]);
    expect(text()).toContain('\u001b[3A');
    // eslint-disable-next-line no-control-regex
    expect(text()).not.toMatch(/\u001b\[[0-9;]*m/);
  });

  test.each([
    [{}, { live: true, color: true }],
    [{ NO_COLOR: '1' }, { live: true, color: false }],
    [{ NO_COLOR: '' }, { live: true, color: true }],
    [{ TERM: 'dumb' }, { live: false, color: false }],
  ])('a terminal with %j is %j', (environment, screen) => {
    const stream = Object.create(process.stdout, { isTTY: { value: true } });
    expect(terminal(stream, environment)).toMatchObject(screen);
  });

  test('what was gone before a block began is not shown in it', () => {
    const { screen, text } = recorder(true);
    const view = createView(screen, 0, () => 0);
    view.begin('scale in to 0');
    view.update([watched(1, { lifecycleState: undefined }), joining(2)]);
    expect(text()).not.toContain(watched(1).instanceId);
    expect(text()).toContain(watched(2).instanceId);
  });
});
