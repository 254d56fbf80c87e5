import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { entryText } from '../../../agent/nodes/contract.ts';
import { parameters } from '../../../documents/parameters.ts';
import { broken, fuzz, LIMIT_MS, textLike } from './fuzz.ts';

const NODE = 'i-0123456789abcdef0';
const NAME = 'A009YS742PPS3QO';
const SEALED = `${'A'.repeat(342)}==`;

/** All that a shell, a quoted string or Run Command's own substitution takes for text, and nothing else. */
const plain = /^[A-Za-z0-9_.:+/=-]*$/;

describe('a text that reaches a node through a command', () => {
  test(
    'holds nothing that a shell or a substitution reads as more than text, or is refused',
    async () => {
      const patterns = Object.values(parameters)
        .flatMap((each) => Object.values(each))
        .map(({ allowedPattern }) => new RegExp(allowedPattern));
      const texts = fc.oneof(
        textLike('corp.example.test'),
        textLike(`${NODE}:${NAME}:${SEALED}`),
        textLike('120'),
      );
      const played = await fuzz(
        'texts in commands',
        fc.record({
          text: texts,
          instanceId: textLike(NODE),
          computerName: textLike(NAME),
          sealed: textLike(SEALED),
        }),
        ({ text, instanceId, computerName, sealed }) => {
          if (!plain.test(text) && patterns.some((pattern) => pattern.test(text)))
            throw broken('A document lets it pass', text);
          const entries = [
            { instanceId, computerName: NAME, sealed: SEALED },
            { instanceId: NODE, computerName, sealed: SEALED },
            { instanceId: NODE, computerName: NAME, sealed },
          ];
          for (const entry of entries) {
            let sent: string;
            try {
              sent = entryText(entry);
            } catch (error) {
              if (!(error instanceof RangeError)) throw error;
              continue;
            }
            if (!plain.test(sent) || sent.split(':').length !== 3) throw broken('It was sent', sent);
          }
        },
      );
      expect(played).toBe(true);
    },
    LIMIT_MS,
  );

  test('is sent when it is sound', () => {
    expect(entryText({ instanceId: NODE, computerName: NAME, sealed: SEALED })).toBe(
      `${NODE}:${NAME}:${SEALED}`,
    );
  });
});
