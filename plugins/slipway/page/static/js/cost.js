import { html } from "./common.js";
export const CostTab = () => html`<p>todo</p>`;
