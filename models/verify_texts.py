"""Texts that a form is compared on: short and long, things, scenes, moods, other languages."""

from __future__ import annotations

_THINGS = """cat,dog,horse,lion,bird,fish,elephant,butterfly,tree,flower,mountain,river,beach,
city street,bridge,church tower,castle,house,kitchen,bedroom,office desk,bicycle,motorcycle,red car,
train,aeroplane,rocket,boat,cup of coffee,plate of food,pizza,cake,bowl of fruit,glass of wine,
clock,old camera,guitar,piano,book,page of printed text,newspaper,map,chart,screenshot of code,
coins,jewellery,shoes,dress,hat,woman smiling,man with a beard,child playing,crowd of people,
astronaut in a space suit,football match,concert,wedding,birthday party,brick wall,grass,gravel,
galaxy,moon,cell under a microscope,x-ray of a hand,satellite picture of a coast"""

_SENTENCES = """two dogs running on a beach at sunset
a black and white photo of a man with a camera on a tripod
an aerial view of fields in autumn
the inside of a cathedral with stained glass windows
a close-up of a bee on a yellow flower
snow-covered mountains behind a calm blue lake
a handwritten shopping list on lined paper
a receipt from a restaurant
a bar chart with three colours
people waiting at a bus stop in the rain
a sleeping cat on a grey sofa
a child blowing out candles on a cake
a sign that says no parking
something very old
something soft and warm
loneliness
happy
blue
red and green
nothing at all
night
a lighthouse during a storm with waves crashing over the rocks and a dark sky behind it
the view through the window of an aeroplane over the wing onto clouds lit by the evening sun
ein Hund im Schnee
une tasse de café sur une table en bois
una playa con palmeras
猫
собака на траве
2 apples and 1 pear
IMG_2041.JPG
🐱
a"""


def sample_texts() -> list[str]:
    """About a hundred texts, each once."""
    things = [f"a {' '.join(thing.split())}" for thing in _THINGS.split(",")]
    return [*things, *_SENTENCES.splitlines()]
