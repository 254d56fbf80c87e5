import { readFileSync } from 'node:fs';

/**
 * The most memory that a process has had, in bytes. Not what `getrusage` says: over an `exec` that keeps what the process was
 * before, a copy of its parent.
 */
export function peakBytes(pid: number | 'self' = 'self'): number {
  return memoryOf(pid, 'VmHWM');
}

/** @param of `VmHWM`, the peak, or `VmRSS`, now */
export function memoryOf(pid: number | 'self', of: 'VmHWM' | 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const [, kilobytes = 'NaN'] = new RegExp(`^${of}:\\s+(\\d+) kB$`, 'm').exec(status) ?? [];
  return Number(kilobytes) * 1024;
}
