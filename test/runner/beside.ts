/**
 * What the plain tests tell the real-domain tests beside them: that they run, and that they have ended. The two are processes
 * of their own, and share the directory of results.
 */
import { watch } from 'node:fs';
import { access, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** There while plain tests run. */
const markerIn = (results: string): string => join(results, 'plain-tests-run');

/** Marks the time of the work as that of the plain tests. */
export async function asPlainTests<T>(results: string, work: () => Promise<T>): Promise<T> {
  const marker = markerIn(results);
  await writeFile(marker, '');
  try {
    return await work();
  } finally {
    await rm(marker, { force: true });
  }
}

/** Resolves when no plain tests run: at once where there are none. */
export async function plainTestsEnded(results: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = (): void => void access(markerIn(results)).catch(() => resolve());
  const watcher = watch(results, look);
  look();
  await promise;
  watcher.close();
}
