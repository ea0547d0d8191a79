import type { TrainReport } from "@kd/stages";

/** One line a step on a terminal, rewritten in place; elsewhere a plain line at the first step and ten times a stage. On stderr. */
export function createProgress(name: string, totalSteps: number): (report: TrainReport, milliseconds: number) => void {
  const every = Math.max(1, Math.round(totalSteps / 10));
  let spent = 0;
  let steps = 0;
  return (report, milliseconds) => {
    spent += milliseconds;
    steps++;
    const { step } = report;
    const line = progressLine(name, totalSteps, report, { milliseconds, left: (spent / steps) * (totalSteps - step) });
    if (process.stderr.isTTY === true)
      process.stderr.write(
        `\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}${step === totalSteps ? "\n" : ""}`,
      );
    else if (steps === 1 || step % every === 0 || step === totalSteps) process.stderr.write(`${line}\n`);
  };
}

/** `dpt 00420 (42.0%) | loss 2.1834 | ce 1.62 mdist 0.41 rdist 0.15 | lr 9.1e-4 | 118 ms | 5,420 tok/s | eta 1m08s` */
export function progressLine(
  name: string,
  totalSteps: number,
  { step, loss, parts, lr, tokensPerSecond }: TrainReport,
  { milliseconds, left }: { readonly milliseconds: number; readonly left: number },
): string {
  const terms: Record<string, number> = {}; // mdist.response and mdist.visual are one term here, two in metrics.jsonl
  for (const [part, value] of Object.entries(parts)) {
    const [term] = part.split(".") as [string];
    terms[term] = (terms[term] ?? 0) + value;
  }
  return [
    `${name} ${String(step).padStart(5, "0")} (${((100 * step) / totalSteps).toFixed(1)}%)`,
    `loss ${loss.toFixed(4)}`,
    Object.entries(terms)
      .map(([term, value]) => `${term} ${value.toFixed(3)}`)
      .join(" "),
    `lr ${lr.toExponential(1)}`,
    `${Math.round(milliseconds)} ms`,
    `${Math.round(tokensPerSecond).toLocaleString("en")} tok/s`,
    `eta ${duration(left)}`,
  ].join(" | ");
}

/** `1h02m`, `3m05s` or `42s`. */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const two = (n: number): string => String(n).padStart(2, "0");
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
}
