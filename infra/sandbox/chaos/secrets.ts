/** Looks for secrets where none may be. */
import { runProcess } from '../machine/process.ts';

/** A secret as it is, and as a careless program would encode it. */
export function formsOf(secret: string): string[] {
  return [
    secret,
    Buffer.from(secret).toString('base64'),
    Buffer.from(secret).toString('hex'),
    Buffer.from(secret, 'utf16le').toString('base64'),
  ];
}

/** Names of files that hold one of the secrets; they are searched for by their bytes, also in UTF-16. */
export async function filesWith(
  secrets: readonly string[],
  directories: readonly string[],
): Promise<string[]> {
  // The patterns arrive on standard input: a search must not be what it searches for.
  const { code, stdout, stderr } = await runProcess(['grep', '-rlaFf', '-', ...directories], {
    input: secrets.flatMap(formsOf).join('\n'),
  });
  const trouble = code === 0 || code === 1 ? [] : stderr.split('\n').filter((line) => line !== '');
  // A file may be removed, such as one that was about to be renamed, between its listing and its opening.
  if (trouble.some((line) => !line.endsWith(': No such file or directory')))
    throw new Error(`grep: ${stderr}`);
  return stdout.split('\n').filter((line) => line !== '');
}

/** Names of the texts that hold one of the secrets. */
export function textsWith(secrets: readonly string[], texts: ReadonlyMap<string, string>): string[] {
  const forms = secrets.flatMap(formsOf);
  return [...texts].filter(([, text]) => forms.some((form) => text.includes(form))).map(([name]) => name);
}
