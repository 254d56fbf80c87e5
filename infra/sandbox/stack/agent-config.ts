/** The agent's configuration file: sections of settings, or plain settings. */
export type AgentConfig = Readonly<
  Record<string, Readonly<Record<string, unknown>> | string | number | boolean>
>;

/** Lays one configuration over another: sections are merged setting by setting, anything else is replaced. */
export function merge(base: AgentConfig, over: AgentConfig): AgentConfig {
  const merged: Record<string, AgentConfig[string]> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const present = merged[key];
    merged[key] = typeof value === 'object' && typeof present === 'object' ? { ...present, ...value } : value;
  }
  return merged;
}
