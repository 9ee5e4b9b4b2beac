"""What a new study says to its annotators until its designer writes something else."""

DEFAULT_INSTRUCTIONS = (
    "You will see one picture at a time. Choose the class that fits it best. "
    "Some pictures are hard: choose what you think is most likely and go on."
)
DEFAULT_CONSENT = (
    "We measure how well people recognise the pictures of a public research data set. "
    "We store which class you choose for each picture, how long it took, and the size of your screen; "
    "no name, no e-mail and no address. You can stop at any time by closing the page. "
    "The answers will be published without anything that points to you."
)
