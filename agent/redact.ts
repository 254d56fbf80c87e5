/**
 * The last line of defence for secrets in text: values that are known to be secret are replaced wherever they appear.
 * The first line of defence is never to put them there.
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

/** As it looks inside a JSON string. */
const jsonForm = (text: string): string => JSON.stringify(text).slice(1, -1);

/**
 * A secret as it is; as JSON escapes it, up to three times (an envelope in an envelope in a line of the log); and in the
 * three ways to write it in a URL.
 */
function formsOf(secret: string): string[] {
  // A lone surrogate, which no URL can hold, would throw here.
  const url = encodeURIComponent(secret.toWellFormed());
  const strictUrl = url.replaceAll(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  const formField = new URLSearchParams({ '': secret }).toString().slice(1);
  const once = jsonForm(secret);
  const twice = jsonForm(once);
  return [secret, once, twice, jsonForm(twice), url, strictUrl, formField];
}

export function createRedactor(): Redactor {
  /** Counted, because two owners may hide the same value and forget it at different times. */
  const hidden = new Map<string, number>();
  /** Longest first: where one secret begins with another, neither may leave a rest. */
  let forms: readonly string[] = [];
  const listForms = (): void => {
    forms = [...new Set([...hidden.keys()].flatMap(formsOf))].toSorted((a, b) => b.length - a.length);
  };
  return {
    hide(secret) {
      if (secret.length < 4) return;
      hidden.set(secret, (hidden.get(secret) ?? 0) + 1);
      listForms();
    },
    forget(secret) {
      const owners = hidden.get(secret) ?? 0;
      if (owners > 1) hidden.set(secret, owners - 1);
      else hidden.delete(secret);
      listForms();
    },
    clean: (text) => forms.reduce((cleaned, form) => cleaned.replaceAll(form, MASK), text),
  };
}
