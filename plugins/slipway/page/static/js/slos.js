import { html } from "./common.js";
export const SlosTab = () => html`<p>todo</p>`;
