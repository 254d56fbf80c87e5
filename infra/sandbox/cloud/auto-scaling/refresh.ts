/**
 * Instance refreshes: the instances of a group, one after the other, are replaced, or get a new root volume.
 *
 *   InProgress ──each instance that was in service at the start is done──▶ Successful
 */
export interface Refresh {
  readonly id: string;
  readonly strategy: 'Rolling' | 'ReplaceRootVolume';
  readonly startedAt: Date;
  /** Instances that are still to be replaced. */
  readonly left: Set<string>;
  readonly total: number;
  status: 'InProgress' | 'Successful';
}

/** What a refresh sees of a group. */
interface Refreshed<Member> {
  readonly desired: number;
  readonly members: ReadonlyMap<string, Member>;
  readonly refreshes: readonly Refresh[];
}

interface Refresher<Group, Member> {
  replace(group: Group, member: Member, cause: string): void;
  replaceRootVolume(group: Group, member: Member, cause: string): void;
}

/** Goes on with the group's refresh when as many instances are in service as are desired. */
export function goOn<
  Member extends { readonly state: string; readonly instance: { readonly id: string } },
  Group extends Refreshed<Member>,
>(groups: Refresher<Group, Member>, group: Group): void {
  const refresh = group.refreshes.find(({ status }) => status === 'InProgress');
  if (!refresh) return;
  const serving = [...group.members.values()].filter(({ state }) => state === 'InService');
  for (const id of refresh.left) if (!group.members.has(id)) refresh.left.delete(id);
  if (serving.length < group.desired) return;
  const member = serving.find(({ instance }) => refresh.left.has(instance.id));
  if (!member) {
    if (refresh.left.size === 0) refresh.status = 'Successful';
    return;
  }
  refresh.left.delete(member.instance.id);
  const cause = 'an instance refresh replaces it';
  if (refresh.strategy === 'Rolling') groups.replace(group, member, cause);
  else groups.replaceRootVolume(group, member, cause);
}
