/**
 * The cases of one test side by side: those that mostly wait for daemons would add up. The first one begins all of them, and
 * each still passes or fails by itself.
 * @param width how many at once
 */
export function together<T extends object>(
  cases: readonly T[],
  width: number,
  work: (each: T) => Promise<void>,
): (each: T) => Promise<void> {
  const results = new Map(cases.map((each) => [each, Promise.withResolvers<void>()]));
  const waiting = [...results];
  let begun = false;
  async function lane(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [each, { promise, resolve, reject }] = next;
      // Its test may not have begun to wait for it.
      promise.catch(() => undefined);
      await work(each).then(resolve, reject);
    }
  }
  return async (each) => {
    const result = results.get(each);
    if (result === undefined) throw new Error('That is none of the cases.');
    if (!begun) {
      begun = true;
      for (let lanes = 0; lanes < width; lanes += 1) void lane();
    }
    return result.promise;
  };
}
