import { escapeHtml } from "./escape-html.ts";
import type { ReportData } from "./report-data.ts";

/** Pictures with question, right answer and the models' answers; right ones carry a tick, not a colour alone. */
export function sampleGrid({ samples }: ReportData): string {
  const cards = samples.map(({ image, question, answer, answers }) => {
    const lines = Object.entries(answers).map(([name, given]) => {
      const [mark, word] = given.trim() === answer.trim() ? ["✓", "right"] : ["✗", "wrong"];
      return `<li class="${word}"><b role="img" aria-label="${word}">${mark}</b><small>${escapeHtml(name)}</small><span>${escapeHtml(given.trim() || "(nothing)")}</span></li>`;
    });
    return `<article><img src="${escapeHtml(image)}" alt="the picture asked about" width="72" height="72"><div><p>${escapeHtml(question)}</p><ul><li class="answer"><b></b><small>answer</small><span>${escapeHtml(answer)}</span></li>${lines.join("")}</ul></div></article>`;
  });
  return `<div class="grid">${cards.join("")}</div>`;
}
