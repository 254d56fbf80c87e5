/**
 * The last line of defence for secrets in text: values that are known to be secret are replaced wherever they appear.
 * The first line is that nobody puts them there.
 */
export interface Redactor {
  /** Hides this value from now on. Values under 4 characters are refused: they would blank out ordinary text. */
  hide(secret: string): void;
  /** Forgets a value that is dead, so that the list does not grow for ever. */
  forget(secret: string): void;
  /** The text with each hidden value replaced, also in its JSON and URL encoded forms. */
  clean(text: string): string;
}

const MASK = '[redacted]';

function formsOf(secret: string): string[] {
  return [...new Set([secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)])];
}

export function createRedactor(): Redactor {
  /** Counted, because two owners may hide the same value and forget it at different times. */
  const hidden = new Map<string, number>();
  return {
    hide(secret) {
      if (secret.length < 4) return;
      hidden.set(secret, (hidden.get(secret) ?? 0) + 1);
    },
    forget(secret) {
      const owners = hidden.get(secret) ?? 0;
      if (owners > 1) hidden.set(secret, owners - 1);
      else hidden.delete(secret);
    },
    clean(text) {
      let cleaned = text;
      for (const secret of hidden.keys()) {
        for (const form of formsOf(secret)) cleaned = cleaned.replaceAll(form, MASK);
      }
      return cleaned;
    },
  };
}
