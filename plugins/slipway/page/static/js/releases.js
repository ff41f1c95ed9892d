import { html } from "./common.js";
export const ReleasesTab = () => html`<p>todo</p>`;
