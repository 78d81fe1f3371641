import type { ChildEnd } from './child.ts';

/** The end of a process in words: its own last ones when it left any. */
export function howItEnded({ code, signal, log }: ChildEnd): string {
  const how = signal === null ? `status ${String(code)}` : `signal ${signal}`;
  const lines = log.split('\n').filter((line) => line.trim() !== '');
  const refusal = lines.map(refusalOf).find((problems) => problems !== undefined);
  if (refusal !== undefined) return refusal;
  // An exception that nobody caught ends with the version of Node; its first line says more.
  const last = lines.findLast((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1);
  return last === undefined || signal !== null ? how : `${how}, last words: ${last.slice(0, 400)}`;
}

/** `{"event":"host.refused-to-start","problems":[…]}` */
function refusalOf(line: string): string | undefined {
  try {
    const value = JSON.parse(line) as { event?: unknown; problems?: unknown };
    const { event, problems } = value;
    return event === 'host.refused-to-start' && Array.isArray(problems)
      ? problems.join('; ')
      : undefined;
  } catch {
    return undefined;
  }
}
