/**
 * The text of the secret, as operators write it. What can be known to be wrong is refused here, before it costs a logon, and
 * by the name of the key; a value is never shown.
 */
import { AdjoinError, reasonOf } from '../errors.ts';
import type { ServiceCredential } from '../terms.ts';
import {
  codePointOf,
  domainName,
  formatDistinguishedName,
  isBelow,
  parseDistinguishedName,
  type DistinguishedName,
} from './distinguished-name.ts';

/**
 * The key names are those of the AWS Security Blog's solution, so that its users can switch. Each with the most characters
 * that its value may have: a DNS name (RFC 1035, section 2.3.4), `userPrincipalName` (MS-ADA3), Windows' longest password,
 * and more than a distinguished name that a controller takes.
 */
const KEYS = {
  domain_name: 255,
  domain_user: 1_024,
  domain_password: 256,
  directory_ou: 2_048,
} as const;
type Key = keyof typeof KEYS;

const BYTE_ORDER_MARK = '\uFEFF';

/** Nobody writes these on purpose, and most are not seen: `\b` in JSON, the new line that a shell puts after a value. */
const INVISIBLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\uFEFF]/u;
/** In a password even these may be meant. */
const INVISIBLE_IN_NAMES = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Of a host or domain (RFC 1123, section 2.1). */
const LABEL = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
/**
 * What `sAMAccountName` can't have (MS-SAMR 3.1.1.6), and the space at either end. A distinguished name is none: what is bound
 * with is the name with the domain's after it.
 */
const ACCOUNT_NAME = /^[^"/\\[\]:;|=,*?<>@\s]+( +[^"/\\[\]:;|=,*?<>@\s]+)*$/;
/** A domain's short name, its DNS name, or what else administrators let logon names end with. */
const DOMAIN = /^[^"/\\[\]:;|=,*?<>@\s]+$/;

function isDnsName(text: string): boolean {
  const labels = text.split('.');
  return labels.length > 1 && labels.every((label) => LABEL.test(label));
}

function isAccount(text: string): boolean {
  const parts = text.split(/[\\@]/);
  const [first = '', second] = parts;
  if (second === undefined) return ACCOUNT_NAME.test(first);
  const [domain, name] = text.includes('\\') ? [first, second] : [second, first];
  return parts.length === 2 && DOMAIN.test(domain) && ACCOUNT_NAME.test(name);
}

/** What is wrong with the text of any value; nothing when nothing is. */
function faultOfText(key: Key, value: unknown): string | undefined {
  if (value === undefined) return 'is missing';
  if (typeof value !== 'string') return 'is not a text';
  if (value === '') return 'is empty';
  if (value.length > KEYS[key]) return `is longer than ${KEYS[key]} characters`;
  const pattern = key === 'domain_password' ? INVISIBLE : INVISIBLE_IN_NAMES;
  const [character] = pattern.exec(value) ?? [];
  if (character !== undefined) return `contains the character ${codePointOf(character)}`;
  const isTrimmed = key === 'domain_name' || key === 'domain_user';
  if (isTrimmed && value.trim() !== value) return 'begins or ends with a space';
  return undefined;
}

/** @throws SyntaxError */
function unitOf(value: string, domain: string): DistinguishedName {
  const name = parseDistinguishedName(value);
  if (name[0]?.type !== 'OU' && name[0]?.type !== 'CN')
    throw new SyntaxError('does not begin with OU= or CN=');
  if (domain !== '' && !isBelow(name, domainName(domain))) {
    throw new SyntaxError('is not in the domain that domain_name names');
  }
  return name;
}

/** The keys of a JSON object, with those that stand there twice: JSON.parse takes the last and says nothing. */
function keysOf(json: string): string[] {
  const found: string[] = [];
  let depth = 0;
  for (const [token, isKey] of json.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    else if (depth === 1 && isKey !== undefined)
      found.push(String(JSON.parse(token.slice(0, -isKey.length))));
  }
  return found;
}

function readJson(text: string): Record<string, unknown> {
  if (text.startsWith(BYTE_ORDER_MARK)) {
    throw new AdjoinError(
      'secret-invalid',
      'The secret begins with a byte order mark, the character U+FEFF.',
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AdjoinError(
      'secret-invalid',
      'The secret is not JSON. A backslash in a value is written twice.',
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AdjoinError('secret-invalid', 'The secret is not a JSON object.');
  }
  return { ...value };
}

/** @throws AdjoinError `secret-invalid`, which does not show the text */
export function parseSecret(versionId: string, text: string): ServiceCredential {
  const values = readJson(text);
  const keys = keysOf(text);
  const problems: string[] = [];
  const read = (key: Key, isRight: (value: string) => boolean, otherwise: string): string => {
    const value = Object.hasOwn(values, key) ? values[key] : undefined;
    const fault = keys.filter((one) => one === key).length > 1 ? 'is there twice' : faultOfText(key, value);
    if (fault !== undefined) problems.push(`${key} ${fault}`);
    else if (!isRight(String(value))) problems.push(`${key} ${otherwise}`);
    else return String(value);
    return '';
  };
  const domain = read('domain_name', isDnsName, 'is not the DNS name of a domain').toLowerCase();
  const user = read('domain_user', isAccount, String.raw`is not user, user@domain or DOMAIN\user`);
  const password = read('domain_password', () => true, '');
  const unit = read('directory_ou', () => true, '');
  let organizationalUnit = '';
  try {
    if (unit !== '') organizationalUnit = formatDistinguishedName(unitOf(unit, domain));
  } catch (error) {
    problems.push(`directory_ou ${reasonOf(error)}`);
  }
  if (problems.length > 0) {
    throw new AdjoinError('secret-invalid', `The secret can't be used: ${problems.join('; ')}.`);
  }
  return { versionId, domain, user, password, organizationalUnit };
}
