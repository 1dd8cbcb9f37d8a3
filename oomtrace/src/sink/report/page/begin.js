// The page's script, of four files in one: words, the table of candidates, and what begins them. It draws and sorts what is there,
// and works nothing out. All text goes in as text.
"use strict";
