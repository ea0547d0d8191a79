import type { Row } from "./results-csv.ts";

const HEAD = [
  "what",
  "threads",
  "product",
  "kd ms",
  "PyTorch ms",
  "ratio",
  "compiled ms",
  "ratio",
  "MiB: kd, PyTorch, compiled",
];

/**
 * Markdown with a line a contender of ours and a thread setting, beside the peers at the same setting; where there are several settings,
 * one more with each side at its best. A ratio is our median over the peer's: below 1 we are faster.
 */
export function markdownTable(rows: readonly Row[]): string {
  const things = [...new Set(rows.map(({ what }) => what))];
  const lines = things.flatMap((what) => linesOf(rows.filter((row) => row.what === what)));
  return [HEAD, HEAD.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Where and when, a line for each machine and day. */
export function caption(rows: readonly Row[]): string {
  const of = ({ machine, cores, date }: Row) => `${machine}, ${cores} cores, ${date.slice(0, 10)}`;
  const versions = [...new Set(rows.flatMap((row) => row.versions.split("; ")))].sort();
  return `${[...new Set(rows.map(of))].join("; ")}. ${versions.join(", ")}.`;
}

const median = (row: Row) => Number(row.ms_p50);
const isOurs = ({ contender }: Row) => contender.startsWith("kd ");
const isCompiled = ({ contender }: Row) => contender === "pytorch compile";
const fastest = (rows: readonly Row[]): Row | undefined => rows.toSorted((a, b) => median(a) - median(b))[0];

function linesOf(rows: readonly Row[]): string[][] {
  const ours = rows.filter(isOurs);
  const line = (own: Row, peers: readonly Row[], threads: string) =>
    lineOf(threads, own, fastest(peers.filter((p) => !isCompiled(p))), fastest(peers.filter(isCompiled)));
  const peers = rows.filter((row) => !isOurs(row));
  const equal = ours.map((own) =>
    line(
      own,
      peers.filter(({ threads }) => threads === own.threads),
      own.threads,
    ),
  );
  const best = fastest(ours);
  const several = new Set(rows.map(({ threads }) => threads)).size > 1;
  return several && best !== undefined ? [...equal, line(best, peers, "each its best")] : equal;
}

function lineOf(threads: string, own: Row, eager?: Row, compiled?: Row): string[] {
  const ms = (row: Row | undefined) => (row === undefined ? "" : String(Number(median(row).toPrecision(3))));
  const ratio = (peer: Row | undefined) => (peer === undefined ? "" : (median(own) / median(peer)).toFixed(2));
  const extra = own.extra_mib !== "";
  const mib = [own, eager, compiled].flatMap((row) => row ?? []).map((row) => mebibytes(row, extra));
  const product = own.contender.replace(/^kd (wasm \+ )?/, "");
  const memory = mib.join(", ") + (extra ? " beyond inputs and gradients" : "");
  return [own.what, threads, product, ms(own), ms(eager), ratio(eager), ms(compiled), ratio(compiled), memory];
}

const mebibytes = (row: Row, extra: boolean) => Math.round(Number(extra ? row.extra_mib : row.peak_mib));
