/** Every list of SSM gives out at most 50 at a time. */
const mostOnPage = 50;

export function pageSize(asked: number | undefined): number {
  return Math.min(asked ?? mostOnPage, mostOnPage);
}
