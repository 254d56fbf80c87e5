type Section = Readonly<Record<string, unknown>>;
/** The agent's configuration file: sections of settings, or plain settings. */
export type AgentConfig = Readonly<Record<string, Section | readonly string[] | string | number | boolean>>;

const isSection = (value: AgentConfig[string] | undefined): value is Section =>
  typeof value === 'object' && !Array.isArray(value);

/** Lays one configuration over another: sections are merged setting by setting, anything else is replaced. */
export function merge(base: AgentConfig, over: AgentConfig): AgentConfig {
  const merged: Record<string, AgentConfig[string]> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const present = merged[key];
    merged[key] = isSection(value) && isSection(present) ? { ...present, ...value } : value;
  }
  return merged;
}
