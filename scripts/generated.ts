/** A file that is made from the code: written, or with `--check` compared. */
import { readFileSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { Command } from 'commander';

function present(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Brings a file to what `make` returns for its present text (undefined: there is none).
 * @returns the exit code: 1 when `--check` found another text, or when the file can't be made
 */
export async function generate(
  file: string,
  make: (text: string | undefined) => string | Promise<string>,
  command: string,
): Promise<number> {
  const { check } = new Command(command)
    .description(`Writes ${relative(process.cwd(), file)} from the code.`)
    .option('--check', 'write nothing: end with 1 when the file is not what the code says', false)
    .parse()
    .opts<{ check: boolean }>();
  const name = relative(process.cwd(), file);
  const old = present(file);
  let text: string;
  try {
    text = await make(old);
  } catch (error) {
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
  if (text === old) return 0;
  if (check) {
    process.stderr.write(`${name} is not what the code says. Run \`${command}\`.\n`);
    return 1;
  }
  writeFileSync(file, text);
  process.stdout.write(`${name} written\n`);
  return 0;
}
