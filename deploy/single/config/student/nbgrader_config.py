"""nbgrader for everybody on this server: which course, and where the exchange is. serve.py sets the variables."""

import os

from racecourse.grading.classes.exchange import exchange_config

c = get_config()  # nbgrader puts this function here
c.merge(exchange_config(os.environ["RACECOURSE_EXCHANGE"]))
c.CourseDirectory.course_id = os.environ["RACECOURSE_COURSE_ID"]
