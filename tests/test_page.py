"""The page, in a real browser: Debian's chromium and chromium-driver."""

import time

import imagecodecs
import numpy as np
import pytest
from PIL import Image

import n2n_tf
from n2n_tf.config import ServeConfig
from n2n_tf.serving import rest
from n2n_tf.serving.server import Server
from tests.scenes import blurred, gaussian, rounded, scene

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


@pytest.fixture(scope="module")
def server(served):
    server = Server([served[1] / "n2n"], ServeConfig(rest_port=0, grpc_port=0, max_pixels=96 * 128))
    yield server
    server.stop()


@pytest.fixture
def page(browser, server):
    browser.get_log("browser")
    browser.get(f"http://127.0.0.1:{server.rest_port}/")
    return browser


def choose(page, path):
    """Give the page a file; its status and error when it is done."""
    page.find_element("id", "file").send_keys(str(path))
    return page.execute_async_script("""
        const done = arguments[0], text = (id) => document.getElementById(id).textContent;
        const look = () => text("error") || text("status").includes(" in ")
            ? done([text("status"), text("error")]) : setTimeout(look, 20);
        look();""")


def waited_for(path):
    """The content of a download; the file is removed."""
    until = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < until, "no download"
        time.sleep(0.02)
    data = path.read_bytes()
    path.unlink()
    return data


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_chosen_image_is_shown_before_and_after(depth, page, served, tmp_path):
    image = IMAGE if depth == np.uint8 else IMAGE.astype(np.uint16) * 200
    (tmp_path / "noisy.png").write_bytes(imagecodecs.png_encode(image))
    status, error = choose(page, tmp_path / "noisy.png")
    assert error == ""
    assert status.startswith("noisy.png: 80 × 60 pixels, ")
    assert page.find_element("id", "result").is_displayed()
    link = page.find_element("id", "download")
    assert link.get_attribute("download") == "noisy_denoised.png"
    link.click()
    result = waited_for(page.downloads / "noisy_denoised.png")
    expected = n2n_tf.denoise(served[0], image)
    np.testing.assert_array_equal(imagecodecs.png_decode(result), expected)
    drawn = imagecodecs.png_decode(page.find_element("id", "stack").screenshot_as_png)[..., :3].astype(int)
    assert drawn.shape == IMAGE.shape
    peak = np.iinfo(depth).max / 255
    rows = slice(1, -1)  # those at the edges may be cut
    assert np.abs(drawn[rows, :35] - image[rows, :35] / peak).max() <= 1  # left of the line the noisy image
    assert np.abs(drawn[rows, 45:] - expected[rows, 45:] / peak).max() <= 1  # right of it the denoised one
    assert not [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]


def test_a_nearly_black_image_is_brightened_and_said_so(page, tmp_path):
    twelve = IMAGE.astype(np.uint16) * 16  # 4080 of 65535
    (tmp_path / "dark.png").write_bytes(imagecodecs.png_encode(twelve))
    status, error = choose(page, tmp_path / "dark.png")
    assert error == ""
    assert "times brighter than it is" in status
    assert "brightness(" in page.find_element("id", "before").value_of_css_property("filter")
    Image.fromarray(IMAGE).save(tmp_path / "bright.png")
    assert "brighter" not in choose(page, tmp_path / "bright.png")[0]
    assert page.find_element("id", "before").value_of_css_property("filter") == "none"


def test_a_rotated_photograph_lies_as_its_result_does(page, tmp_path):
    """The browser would turn it by its EXIF; the result has none."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(IMAGE).save(tmp_path / "turned.jpg", exif=exif)
    status, _ = choose(page, tmp_path / "turned.jpg")
    drawn = imagecodecs.png_decode(page.find_element("id", "before").screenshot_as_png)[..., :3].astype(int)
    assert (drawn.shape, "80 × 60" in status) == (IMAGE.shape, True)
    pixels = np.asarray(Image.open(tmp_path / "turned.jpg")).astype(int)
    assert np.abs(drawn[1:-1, :35] - pixels[1:-1, :35]).mean() < 3


def test_the_slider_moves_by_keys_and_says_where_it_is(page, tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "noisy.jpg")
    choose(page, tmp_path / "noisy.jpg")
    slider, stack = page.find_element("id", "slider"), page.find_element("id", "stack")
    assert (slider.aria_role, slider.accessible_name) == ("slider", "Where the denoised side begins")
    for _ in range(10):
        slider.send_keys("\ue012")  # arrow left
    assert "--split: 40%" in stack.get_attribute("style")
    assert slider.get_attribute("aria-valuetext") == "40 % noisy, 60 % denoised"
    assert abs(slider.size["width"] - 16 - stack.size["width"]) <= 1
    assert page.find_element("id", "file").accessible_name.strip().startswith("Drop a PNG or JPEG here")


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("text.png", b"no image", "text.png: image_bytes is neither a PNG nor a JPEG file, by its first bytes"),
        ("large.png", imagecodecs.png_encode(np.zeros((97, 128, 3), np.uint8)),
         "large.png: the request has 16384 pixels, its sides rounded up to multiples of 32; "
         "at most 12288 are accepted (--max-pixels)"),
    ],
)  # fmt: skip
def test_errors_are_shown_and_the_next_image_works(name, content, text, page, tmp_path):
    (tmp_path / name).write_bytes(content)
    status, error = choose(page, tmp_path / name)
    assert (status, error) == ("", text)
    assert page.find_element("id", "error").aria_role == "alert"
    assert not page.find_element("id", "result").is_displayed()
    Image.fromarray(IMAGE).save(tmp_path / "good.png")
    assert choose(page, tmp_path / "good.png")[1] == ""
    assert page.find_element("id", "result").is_displayed()


def test_the_same_file_asks_another_server(browser, server, tmp_path):
    """Opened from disk; no answer is an error that names the address."""
    Image.fromarray(IMAGE).save(tmp_path / "noisy.png")
    browser.get(f"{rest.PAGE.as_uri()}?server=http://127.0.0.1:9&model=other")
    assert "no answer from http://127.0.0.1:9/v1/models/other:predict" in choose(browser, tmp_path / "noisy.png")[1]


def test_a_server_lets_in_the_page_from_disk_only_with_cors(browser, server, served, tmp_path):
    """It has another origin, and can read why it is refused."""
    Image.fromarray(IMAGE).save(tmp_path / "noisy.png")
    browser.get(f"{rest.PAGE.as_uri()}?server=http://127.0.0.1:{server.rest_port}")
    status, error = choose(browser, tmp_path / "noisy.png")
    assert (status, "a web page of another origin, " in error, "start it with --cors" in error) == ("", True, True)
    other = Server([served[1] / "n2n"], ServeConfig(rest_port=0, grpc_port=0, cors=True))
    try:
        browser.get(f"{rest.PAGE.as_uri()}?server=http://127.0.0.1:{other.rest_port}")
        status, error = choose(browser, tmp_path / "noisy.png")
    finally:
        other.stop()
    assert (error, "noisy.png: 80 × 60 pixels" in status) == ("", True)


@pytest.fixture(scope="module")
def inspecting(served):
    server = Server([served[1] / "n2n"], ServeConfig(rest_port=0, grpc_port=0, inspect=True, cors=True))
    yield server
    server.stop()


def noise_of(page):
    """The line about the noise, when it is there."""
    return page.execute_async_script("""
        const done = arguments[0], text = () => document.getElementById("noise").textContent;
        const look = () => text() && !text().startsWith("Measuring") ? done(text()) : setTimeout(look, 20);
        look();""")


def test_a_line_tells_the_noise_of_the_picture_that_was_sent(browser, inspecting, tmp_path):
    """Each page its own: the second picture's neighbours share noise, and two pages ask at once."""
    clean = scene(texture=0.1, side=(224, 256))
    for name, noisy in (("white", gaussian(clean, 20)), ("shared", blurred(clean, 20))):
        Image.fromarray((rounded(noisy) * 255).round().astype(np.uint8)).save(tmp_path / f"{name}.png")
    Image.fromarray(IMAGE).save(tmp_path / "small.png")
    first = browser.current_window_handle
    browser.get_log("browser")
    browser.get(f"http://127.0.0.1:{inspecting.rest_port}/")
    assert choose(browser, tmp_path / "white.png")[1] == ""
    browser.switch_to.new_window("tab")
    browser.get(f"http://127.0.0.1:{inspecting.rest_port}/")
    assert choose(browser, tmp_path / "shared.png")[1] == ""
    assert "shared by neighbouring pixels (correlation 0." in noise_of(browser)
    browser.close()
    browser.switch_to.window(first)
    assert " not shared by neighbouring pixels. Estimated PSNR " in noise_of(browser)
    line = browser.find_element("id", "noise")
    assert (line.aria_role, line.is_displayed()) == ("status", True)
    browser.get(f"{rest.PAGE.as_uri()}?server=http://127.0.0.1:{inspecting.rest_port}")  # of another origin
    assert choose(browser, tmp_path / "small.png")[1] == ""
    assert noise_of(browser) == "The noise was not measured: it is smaller than 128×128 pixels."
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_without_the_flag_there_is_no_such_line(page, tmp_path):
    Image.fromarray(IMAGE).save(tmp_path / "noisy.png")
    choose(page, tmp_path / "noisy.png")
    time.sleep(0.3)
    line = page.find_element("id", "noise")
    assert (line.text, line.size["height"]) == ("", 0)


def test_it_needs_nothing_from_outside(page):
    names = page.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert not [name for name in names if not name.startswith(("blob:", "data:"))]
    assert "http" not in rest.PAGE.read_text().replace("http://HOST", "").replace("http://localhost", "").replace(
        'startsWith("http")', ""
    )
