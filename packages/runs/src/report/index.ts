export { type RunRecord, reportOfRuns } from "./compare-runs.ts";
export { escapeHtml } from "./escape-html.ts";
export { renderReport } from "./render-report.ts";
export type { ReportCurve, ReportData, ReportScores, ScoreRow } from "./report-data.ts";
