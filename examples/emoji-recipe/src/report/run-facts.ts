import { escapeHtml } from "./escape-html.ts";
import type { ReportData } from "./report-data.ts";

/** What was run, on what and how long, as a list of terms. */
export function runFacts({ command, seconds, seeds, engine, versions }: ReportData): string {
  const rows: readonly (readonly [string, string])[] = [
    ["command", `<code>${escapeHtml(command)}</code>`],
    ["took", duration(seconds)],
    ["seeds", String(seeds)],
    ["engine", escapeHtml(engine)],
    [
      "versions",
      escapeHtml(
        Object.entries(versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(", "),
      ),
    ],
  ];
  return `<dl>${rows.map(([term, value]) => `<dt>${term}</dt><dd>${value}</dd>`).join("")}</dl>`;
}

function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
