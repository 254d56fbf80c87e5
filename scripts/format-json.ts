import { format } from 'oxfmt';

/** Wide enough for what is generated, and as `.oxfmtrc.json` says: a call does not read that file. */
const options = { printWidth: 110 };

/**
 * A value as the JSON text that `npm run check` expects.
 *
 * @throws Error when the value is none that JSON can say
 */
export async function formatJson(value: unknown): Promise<string> {
  const { code, errors } = await format('value.json', JSON.stringify(value), options);
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'));
  return code;
}
