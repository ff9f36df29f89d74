"""The frame of the report: its HTML, its style and the script of its sliders."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>$protocol</p>
<h2>Summary</h2>
<div class="wide">$summary</div>
<p class="key"><span class="input">input</span>
<span class="restored">these weights</span> <span class="baseline">baselines</span>;
small: interval of the mean; bold: best.</p>
<ul>$notes</ul>
<h2>Plots</h2>
$plots
<h2>Best and worst</h2>
<p>The images that gained most and least by the first method. Move the slider; choose
what is on its left and right. Numbers are of the whole image, PSNR in RGB.</p>
<noscript><p>The sliders need JavaScript; below each are all its versions.</p>
</noscript>
$cases
<h2>Every image</h2>
$images
<h2>Settings</h2>
<details><summary>Configuration of the first weights</summary>$settings</details>
</main>
<script>$script</script>
</body>
</html>
"""

STYLE = """
body { margin: 0; background: #fff; color: #18181c;
  font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 16px 20px 60px; }
h1 { font-size: 24px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin-top: 36px; border-bottom: 1px solid #ddd; }
h3 { font-size: 16px; margin: 28px 0 8px; overflow-wrap: anywhere; }
small { color: #6a6a70; font-weight: normal; white-space: nowrap; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: 4px 10px; text-align: right; border-bottom: 1px solid #eee;
  vertical-align: top; }
td:first-child, th:first-child { text-align: left; overflow-wrap: anywhere; }
td small { display: block; }
th { border-bottom: 1px solid #999; }
td.reason { text-align: left; color: #6a6a70; }
.input { color: #66666b; } .restored { color: #1f5fbf; } .baseline { color: #b05313; }
.plot { max-width: 100%; }
figure { margin: 0 0 12px; }
figcaption { color: #55555b; font-size: 13px; }
details { margin: 8px 0; overflow-x: auto; } summary { cursor: pointer; }
.slider { display: none; position: relative; width: var(--width); max-width: 100%;
  aspect-ratio: var(--ratio); }
.script .slider { display: block; }
.slider img { position: absolute; inset: 0; width: 100%; height: 100%;
  image-rendering: pixelated; }
.slider i { position: absolute; top: 0; bottom: 0; left: 50%; width: 2px;
  margin-left: -1px; background: #fff; box-shadow: 0 0 2px #000; pointer-events: none; }
.slider input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0;
  opacity: 0; cursor: ew-resize; }
.slider:focus-within { outline: 2px solid #1f5fbf; outline-offset: 2px; }
.choice { display: none; } .script .choice { display: block; }
.choice label { margin-right: 16px; }
.strip { display: flex; flex-wrap: wrap; gap: 10px; }
.strip figure { width: 170px; }
.strip img { width: 100%; display: block; image-rendering: pixelated; }
"""

SCRIPT = """
document.body.classList.add("script");
for (const box of document.querySelectorAll(".case")) {
  const versions = box.querySelectorAll(".strip img");
  const [left, right] = box.querySelectorAll("select");
  const range = box.querySelector("input");
  const choose = () => {
    box.querySelector("img.left").src = versions[left.value].src;
    box.querySelector("img.right").src = versions[right.value].src;
  };
  const slide = () => {
    const hidden = 100 - range.value;
    box.querySelector("img.left").style.clipPath = "inset(0 " + hidden + "% 0 0)";
    box.querySelector(".slider i").style.left = range.value + "%";
  };
  left.onchange = right.onchange = choose;
  range.oninput = slide;
  choose();
  slide();
}
"""
