import { html } from "./common.js";
export const ScaleTab = () => html`<p>todo</p>`;
