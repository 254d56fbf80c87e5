import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/** PowerShell on this computer. It speaks a later language than Windows Server's 5.1; a test keeps the scripts to that one. */
export interface PowerShell {
  /** What runs it, with the paths of the programs as they are on this computer. */
  readonly command: readonly string[];
  /** What its processes need in their environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Directories that it reads, for a machine with another root. */
  readonly directories: readonly string[];
}

/** A release with long-term support, as the package feed has it. */
const version = '7.6.9';
/** Milliseconds; it takes seconds where the package is in NuGet's cache. */
const installLimitMs = 300_000;

/** No question for updates, no telemetry, and no need for the libraries of many languages. */
const environment = {
  POWERSHELL_UPDATECHECK: 'Off',
  POWERSHELL_TELEMETRY_OPTOUT: '1',
  DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: '1',
} as const;

/**
 * PowerShell from the clone's cache, installed there with the .NET SDK where there is one, or else `pwsh` on the PATH; a reason
 * where there is neither.
 * @throws Error when there is an SDK that can't install it
 */
export function findPowerShell(clone: string): PowerShell | { readonly reason: string } {
  const dotnet = onPath('dotnet');
  if (dotnet === undefined || !hasSdk(dotnet)) {
    const pwsh = onPath('pwsh');
    if (pwsh === undefined) return { reason: 'neither pwsh nor a .NET SDK is on the PATH' };
    return { command: [pwsh], environment, directories: [dirname(pwsh)] };
  }
  const target = join(clone, '.cache', `powershell-${version}`);
  if (!existsSync(target)) install(dotnet, target);
  const [program] = globSync(
    join(target, '.store/powershell', version, 'powershell', version, 'tools/*/any/unix/pwsh.dll'),
  );
  if (program === undefined) throw new Error(`${target} has no PowerShell for this system`);
  return { command: [dotnet, program], environment, directories: [dirname(dotnet), dirname(program)] };
}

/** Two may install at once: the one that comes second throws its own away. */
function install(dotnet: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  const own = mkdtempSync(`${target}-`);
  try {
    const home = { HOME: process.env['HOME'] ?? own, DOTNET_CLI_TELEMETRY_OPTOUT: '1', DOTNET_NOLOGO: '1' };
    run([dotnet, 'tool', 'install', 'PowerShell', '--version', version, '--tool-path', own], home);
    renameSync(own, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

function hasSdk(dotnet: string): boolean {
  return run([dotnet, '--list-sdks'], {}).trim() !== '';
}

/** The file itself, where a link leads to it: what it needs lies beside it. */
function onPath(name: string): string | undefined {
  const places = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name));
  const found = places.find((place) => existsSync(place));
  return found === undefined ? undefined : realpathSync(found);
}

function run([program = '', ...rest]: readonly string[], extra: Readonly<Record<string, string>>): string {
  const env = { ...process.env, ...extra };
  const { status, stdout, stderr } = spawnSync(program, rest, {
    encoding: 'utf8',
    timeout: installLimitMs,
    env,
  });
  if (status !== 0) throw new Error(`${program} ${rest.join(' ')}: ${stderr || stdout}`);
  return stdout;
}
